"""The tools of another machine, by way of its tool server."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import aiohttp

from printable import printable
from tools.errors import ToolError, ToolFailed, UnknownTool
from tools.executor import Emit, ToolDescription, silent
from tools.statuses import ERRORS
from tools.tool import Output

logger = logging.getLogger(__name__)

_CONNECT_S = 5.0
_HEAD_S = 10.0
"""How long the head of an answer is waited for, which comes before the tool has ended. A connection
of an earlier call says nothing of a machine that is gone."""
_SILENT_S = 900.0
_LINE_BYTES = 32 << 20
_BY_CODE = {code: error for error, (_, code) in ERRORS.items() if error is not UnknownTool}


@dataclass(frozen=True, slots=True)
class ServerAccess:
    """Where a tool server is, such as `http://192.168.1.5:17616`, and the token it asks for."""

    url: str
    token: str | None = field(default=None, repr=False)


Find: TypeAlias = Callable[[], Awaitable[ServerAccess]]
"""Finds the tool server. Raises ToolError."""


class RemoteTools:
    """An Executor. The server is found before the first call, and again when it does not answer
    or no longer takes the token. Every failure of the way there is a ToolFailed, for the model
    to be told.
    """

    def __init__(self, find: Find, *, head_s: float = _HEAD_S) -> None:
        self._find = find
        self._head_s = head_s
        self._access: ServerAccess | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        self._session = aiohttp.ClientSession(timeout=timeout, read_bufsize=_LINE_BYTES)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def descriptions(self) -> Sequence[ToolDescription]:
        async with self._asked("GET", "/v1/tools") as answer:
            body: Any = await answer.json()
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
        async with self._asked("POST", "/v1/tools/execute", body) as answer:
            began, where = time.monotonic(), answer.url.origin()
            try:
                return await _result(answer, emit)
            finally:
                took_s = time.monotonic() - began
                logger.info("tool %s ran on %s for %.2f s", printable(name), where, took_s)

    @contextlib.asynccontextmanager
    async def _asked(
        self, method: str, path: str, body: Any = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """An answer with status 200. A token that is new on the server is fetched once."""
        known = self._access
        access = known or await self._find()
        self._access = access
        async with self._sent(access, method, path, body) as answer:
            if answer.status != 401 or known is None:
                if answer.status != 200:
                    raise _failed(await answer.json())
                yield answer
                return
        self._access = await self._find()
        async with self._sent(self._access, method, path, body) as answer:
            if answer.status != 200:
                raise _failed(await answer.json())
            yield answer

    @contextlib.asynccontextmanager
    async def _sent(
        self, access: ServerAccess, method: str, path: str, body: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        if self._session is None:
            raise ToolFailed("the client of the tool server is not started")
        headers = {"Authorization": f"Bearer {access.token}"} if access.token else {}
        request = self._session.request(
            method, f"{access.url}{path}", json=body, headers=headers, allow_redirects=False
        )
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._head_s):
                    answer = await stack.enter_async_context(request)
                yield answer
        except TimeoutError as error:
            self._access = None
            why = "does not answer; is that machine on, and at this address?"
            raise ToolFailed(f"the tool server {access.url} {why}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._access = None  # it may have another address by now
            raise ToolFailed(f"the tool server {access.url}: {printable(str(error))}") from error
        except (LookupError, TypeError) as error:
            raise ToolFailed(f"what answers at {access.url} is no tool server") from error


async def _result(answer: aiohttp.ClientResponse, emit: Emit) -> Output:
    """The output at the end of a call's events. Raises ToolError."""
    async for event, data in _events(answer.content):
        if event == "output":
            emit(str(data["text"]))
        elif event == "error":
            raise _failed(data)
        elif event == "result":
            return Output(str(data["output"]), data["metadata"])
    raise ToolFailed(f"the tool server {answer.url.origin()} ended without a result")


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
        message = "\n".join(map(printable, str(told["message"]).splitlines()))
        code = str(told["code"])
    except (KeyError, TypeError):
        return ToolFailed("the tool server answered with an error that is none of ours")
    return _BY_CODE.get(code, ToolFailed)(message)
