"""The tools of another machine, by way of its tool server."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from tools.errors import ToolError, ToolFailed, UnknownTool
from tools.registry import Emit, ToolDescription, silent
from tools.statuses import ERRORS
from tools.tool import Output

_CONNECT_S = 5.0
_SILENT_S = 900.0
_LINE_BYTES = 32 << 20
_BY_CODE = {code: error for error, (_, code) in ERRORS.items() if error is not UnknownTool}


class RemoteTools:
    """An Executor. `url` is the server's, such as `http://192.168.1.5:17616`.

    Every failure of the way there is a ToolFailed, for the model to be told.
    """

    def __init__(self, url: str, *, token: str | None) -> None:
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=timeout, read_bufsize=_LINE_BYTES
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def descriptions(self) -> Sequence[ToolDescription]:
        try:
            async with self._open().get(f"{self._url}/v1/tools") as answer:
                body: Any = await answer.json()
                if answer.status != 200:
                    raise _failed(body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailed(f"the tool server {self._url}: {error}") from error
        functions = [each["function"] for each in body["data"]]
        return [
            ToolDescription(each["name"], each["description"], each["parameters"])
            for each in functions
        ]

    async def execute(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        session: str = "",
        emit: Emit = silent,
    ) -> Output:
        body = {"name": name, "arguments": arguments, "session": session, "stream": True}
        try:
            async with self._open().post(f"{self._url}/v1/tools/execute", json=body) as answer:
                if answer.status != 200:
                    raise _failed(await answer.json())
                async for event, data in _events(answer.content):
                    if event == "output":
                        emit(str(data["text"]))
                    elif event == "error":
                        raise _failed(data)
                    elif event == "result":
                        return Output(str(data["output"]), data["metadata"])
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailed(f"the tool server {self._url}: {error}") from error
        raise ToolFailed(f"the tool server {self._url} ended without a result")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise ToolFailed("the client of the tool server is not started")
        return self._session


async def _events(content: aiohttp.StreamReader) -> AsyncGenerator[tuple[str, Any]]:
    """Names and data of server-sent events, one line of data each."""
    name = ""
    async for line in content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def _failed(body: Any) -> ToolError:
    """The error that the server raised, as the same type here."""
    try:
        told = body["error"]
        message, code = str(told["message"]), str(told["code"])
    except (KeyError, TypeError):
        return ToolFailed("the tool server answered with an error that is none of ours")
    return _BY_CODE.get(code, ToolFailed)(message)
