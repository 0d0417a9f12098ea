"""The way to an upstream server: its answers and its refusals.

Connections are kept from one request to the next.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import aiohttp

from swarm.connecting import system_words
from swarm.engines.upstream.hearing import BROKE_OFF, refusal
from swarm.errors import EngineError, EngineLost, Overloaded, RequestError

logger = logging.getLogger(__name__)

CONNECT_S = 5.0
SILENCE_S = 600.0
"""How long a server may say nothing: a long prompt is read before the first word comes."""

BACK_S = 0.5
"""How long a server that was lost may take to show that it is back."""

_MOST_ANSWER_BYTES, _MOST_ERROR_BYTES = 64 << 20, 64 << 10

_CLOSED = (
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    aiohttp.ClientConnectionResetError,
)
"""How a connection that the server has closed shows itself."""


class Connection:
    """The way to the server at `url`; `key` goes with every request. To be opened and closed."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._lost: str | None = None  # why the server may not be there now

    def open(self) -> None:
        """From now on the server can be asked."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=timeout, connector=connector, trace_configs=[_telling_kept()]
        )

    async def aclose(self) -> None:
        """What is asked now is cut, what is asked later is refused."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def must_be_there(self) -> None:
        """Raises EngineError where the server failed when asked last, and is not there now."""
        if self._lost is None:
            return
        lost = self._lost
        try:
            async with asyncio.timeout(BACK_S), self.request("GET", f"{self.url}/models"):
                return
        except TimeoutError:
            raise EngineLost(lost) from None
        except (RequestError, Overloaded) as error:
            logger.debug("%s is back, and refuses: %s", self.url, error)

    @contextlib.asynccontextmanager
    async def request(
        self, method: str, url: str, body: Mapping[str, Any] | None = None
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """An answer that is not an error. Raises SwarmErrors only, also while it is read."""
        if self._session is None:
            raise EngineLost("the upstream engine was stopped")
        begun = False
        try:
            async with await _answered(self._session, method, url, body) as answer:
                begun = True
                if answer.status >= 400:
                    wait = answer.headers.get("Retry-After")
                    refused = refusal(answer.status, await _error_body(answer), retry_after=wait)
                    if not isinstance(refused, EngineError):
                        self._lost = None  # it is there, and takes what it can honour
                    raise refused
                self._lost = None
                yield answer
        except TimeoutError as error:
            self._lost = f"the upstream server {self.url} does not answer"
            raise EngineLost(self._lost) from error
        except aiohttp.ClientError as error:
            absent = f"the upstream server {self.url} is not there: {system_words(error)}"
            self._lost = BROKE_OFF if begun else absent
            raise EngineLost(self._lost) from error


async def _answered(
    session: aiohttp.ClientSession, method: str, url: str, body: Mapping[str, Any] | None
) -> aiohttp.ClientResponse:
    """What the server says, from its status on; the session is one that has `_telling_kept`.

    A kept connection may be closed by the server in the moment in which it is used. Nothing has
    come then, so the request is made again, at last on a connection of its own.
    """
    while True:
        kept: list[object] = []
        try:
            return await session.request(method, url, json=body, trace_request_ctx=kept)
        except _CLOSED:
            if not kept:
                raise


def _telling_kept() -> aiohttp.TraceConfig:
    """Appends to the list that goes with a request where a kept connection is used for it."""

    async def tell(_session: object, context: Any, params: object) -> None:
        context.trace_request_ctx.append(params)

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(tell)
    return tracing


async def json_of(answer: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """The answer as a JSON object, empty where it is another value. Raises EngineLost."""
    try:
        found = json.loads(await _read(answer, _MOST_ANSWER_BYTES))
    except ValueError as error:
        raise EngineLost(f"{answer.url} answers what is not JSON") from error
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


async def _error_body(answer: aiohttp.ClientResponse) -> Any:
    raw = (await _read(answer, _MOST_ERROR_BYTES)).decode(errors="replace")
    try:
        return json.loads(raw)
    except ValueError:
        return raw


async def _read(answer: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """The whole body, or as much of it as is allowed."""
    body = b""
    async for data in answer.content.iter_any():
        body += data
        if len(body) > most_bytes:
            break
    return body[:most_bytes]
