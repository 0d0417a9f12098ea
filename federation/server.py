"""The peer door: what members of the federation may ask of this node, over mutual TLS.

TLS has proved that the caller is a member; what it may use up here is bounded all the same.
"""

import asyncio
import logging
import os
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol, Self

from aiohttp import ClientConnectionResetError, web
from aiohttp.typedefs import Handler

from ending import beside, ended
from federation.background import Background
from federation.connections import (
    BACKLOG,
    SecureConnection,
    caller,
    came_from,
    notice_when_gone,
    works,
)
from federation.gathered import gathered
from federation.refusals import OVERDUE, as_refusal
from federation.rooms import Rooms
from federation.sharing import Shelf
from federation.sockets import Listener, take
from federation.statuses import Statuses, told_to
from federation.wire import (
    DoneLine,
    FailedLine,
    FilesAnswer,
    Status,
    ToolKey,
    decode_files,
    decode_heartbeat,
    decode_over,
    decode_propose,
    decode_secret,
    encode_body,
    encode_line,
    encode_lines,
    question_bytes,
)
from guard import ConnectionLimit
from swarm.errors import (
    PeerRefused,
    ProtocolMismatch,
    SwarmError,
)
from swarm.proposer import Told
from swarm.types import Question

logger = logging.getLogger(__name__)

PULSE_S = 1.0
_HANDSHAKE_S = 5.0
MOST_CONNECTIONS = 256
_KEEP_ALIVE_S = 60.0
_BODY_BYTES = 1 << 20
SILENCE_S = 5.0
"""A caller that has begun a message says more of it within this."""

_PIECE_BYTES = 1 << 20


class Answers(Protocol):
    """This node's workers."""

    def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        """Let `workers` workers answer. Raises Overloaded and other SwarmErrors."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Callbacks:
    """What the door needs of the node: its status, its workers, files to copy, the key of its tool
    server (raises PeerRefused), and what to do when a peer called, has a new secret, or says that
    the federation of this id has one that this node lacks.
    """

    status: Callable[[], Status]
    heard: Callable[[str, str, Status], None]
    renewed: Callable[[bytes], Awaitable[None]]
    over: Callable[[str], Awaitable[None]]
    answers: Answers
    shelf: Shelf
    tool_key: Callable[[], ToolKey]


class PeerDoor:
    """Listens on the addresses of the LAN, from entering the context until leaving it."""

    def __init__(
        self,
        callbacks: Callbacks,
        context: ssl.SSLContext,
        *,
        hosts: Sequence[str],
        port: int,
        most: int = MOST_CONNECTIONS,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._node = callbacks
        self._context = context
        self._hosts = tuple(hosts)
        self._asked_port = port
        self._silence_s = silence_s
        self._server: web.Server | None = None
        self._listeners: dict[str, Listener] = {}
        self.missing: frozenset[str] = frozenset()
        self._statuses = Statuses()
        self._rooms = Rooms()
        self._places = ConnectionLimit(most)
        self._handshakes = Background()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        app = web.Application(middlewares=[self._work, _report])
        app.on_response_prepare.append(_say_less)
        app.router.add_post("/peer/heartbeat", self._heartbeat)
        app.router.add_post("/peer/propose", self._propose)
        app.router.add_post("/peer/secret", self._secret)
        app.router.add_get("/peer/tool-key", self._tool_key)
        app.router.add_post("/peer/over", self._over)
        app.router.add_post("/peer/files", self._files)
        app.router.add_get("/peer/files/{name:.+}", self._file)
        runner = web.AppRunner(
            app,
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=_KEEP_ALIVE_S,
            shutdown_timeout=1.0,
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        self._stack.push_async_callback(self._handshakes.end)
        self._stack.callback(self._stop_listening)
        self._server = runner.server
        try:
            await self.listen(self._hosts)
        except OSError:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before."""
        listener = next(iter(self._listeners.values()), None)
        return listener.port if listener else 0

    async def listen(self, hosts: Sequence[str]) -> None:
        """Listen there from now on. What already runs goes on, wherever it came in.

        Where it cannot yet is in `missing`. Raises OSError where it can nowhere.
        """
        if self._server is None:
            raise RuntimeError("a door is entered before it listens")
        port = self.port or self._asked_port
        for gone in set(self._listeners).difference(hosts):
            self._listeners.pop(gone).close()
        refused: dict[str, OSError] = {}
        for host in hosts:
            if host in self._listeners:
                continue
            try:
                taken = await take(self._connected, [host], self.port or port, backlog=BACKLOG)
                await taken.start()
                self._listeners[host] = taken
            except OSError as error:
                refused[host] = error
        if refused and not self._listeners:
            raise next(iter(refused.values()))
        for host in refused.keys() - self.missing:
            logger.warning("peers cannot call at %s yet: %s", host, refused[host].strerror)
        self.missing = frozenset(refused)

    def _connected(self) -> SecureConnection:
        if self._server is None:
            raise RuntimeError("a door is entered before it listens")
        return SecureConnection(
            self._places,
            self._server(),
            context=self._context,
            handshake_s=_HANDSHAKE_S,
            handshakes=self._handshakes,
        )

    @web.middleware
    async def _work(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        works(self._places, request)
        return await handler(request)

    def _stop_listening(self) -> None:
        while self._listeners:
            self._listeners.popitem()[1].close()

    async def _heartbeat(self, request: web.Request) -> web.Response:
        node = caller(request)
        status = self._statuses.read(node, decode_heartbeat(await self._read(request)))
        if status.node != node:
            raise ProtocolMismatch("the status names another node than the certificate")
        self._node.heard(node, came_from(request), status)
        own = told_to(request.query.get("holds", ""), self._node.status())
        return _json(encode_body(own))

    async def _secret(self, request: web.Request) -> web.Response:
        secret = decode_secret(await self._read(request)).secret
        logger.info("the federation has a new code, from node %s", caller(request)[:8])
        await self._node.renewed(secret)
        return _json(b"{}")

    async def _tool_key(self, request: web.Request) -> web.Response:
        key = self._node.tool_key()
        logger.info("node %s was told the token of the tool server", caller(request)[:8])
        return _json(encode_body(key))

    async def _over(self, request: web.Request) -> web.Response:
        over = decode_over(await self._read(request))
        logger.info("the code was changed meanwhile, says node %s", caller(request)[:8])
        await self._node.over(over.federation)
        return _json(b"{}")

    async def _files(self, request: web.Request) -> web.Response:
        names = decode_files(await self._read(request)).names
        return _json(encode_body(FilesAnswer(files=await self._node.shelf.offers(names))))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        """The file, or the part of it that a Range header names.

        Not by aiohttp's FileResponse, whose sendfile over TLS fails loudly when a caller leaves.
        """
        path = self._node.shelf.path(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound(text="this file is not shared")
        try:
            opened = await asyncio.to_thread(path.open, "rb")
        except OSError:
            raise web.HTTPNotFound(text="this file cannot be read any more") from None
        with opened as file:
            part = _asked_part(request, os.fstat(file.fileno()).st_size)
            response = web.StreamResponse(status=206 if "Range" in request.headers else 200)
            response.content_length = len(part)
            await asyncio.to_thread(file.seek, part.start)
            with suppress(ConnectionError):  # whoever has left asks again, or does not
                await response.prepare(request)
                for at in range(part.start, part.stop, _PIECE_BYTES):
                    count = min(_PIECE_BYTES, part.stop - at)
                    await response.write(await asyncio.to_thread(file.read, count))
        return response

    async def _propose(self, request: web.Request) -> web.StreamResponse:
        node = caller(request)
        most = question_bytes(self._node.status())
        size = request.content_length or most
        _check_size(size, most)
        with self._rooms.room(node, size):
            body = decode_propose(await self._read(request, most))
            told = self._node.answers.propose(
                body.question, body.workers, remaining_s=body.remaining_s, live=body.live
            )
            notice_when_gone(request)
            news = told if body.live else gathered(told)
            async with aclosing(news), _asked_for(news) as first:
                # What is refused at once is refused with a status. A long prompt takes longer to
                # read, or has to wait: then the asker must see that this node lives.
                await asyncio.wait({first}, timeout=PULSE_S)
                if first.done():
                    first.result()
                response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
                with suppress(ClientConnectionResetError):  # whoever has left needs no answer
                    await response.prepare(request)
                    async with _pulse(response):
                        await self._lines(response, first, news, body.remaining_s)
        return response

    async def _read(self, request: web.Request, most: int = _BODY_BYTES) -> bytes:
        """The whole body. Raises PeerRefused when it is longer than `most` bytes, or the caller
        falls silent: one that has lost its power would hold its place for ever.
        """
        raw = bytearray()
        try:
            while not request.content.at_eof():
                async with asyncio.timeout(self._silence_s):
                    raw += await request.content.readany()
                if len(raw) > most:
                    raise PeerRefused(f"more than {most} bytes are not read", status=413)
        except TimeoutError:
            why = f"nothing more of the message came within {self._silence_s:.0f} s"
            raise PeerRefused(why, status=408) from None
        return bytes(raw)

    async def _lines(
        self,
        response: web.StreamResponse,
        first: asyncio.Task[list[Told] | None],
        news: AsyncGenerator[list[Told]],
        remaining_s: float,
    ) -> None:
        try:
            async with asyncio.timeout(remaining_s):
                await response.write(encode_lines(await first or []))
                async for told in news:
                    await response.write(encode_lines(told))
            await response.write(encode_line(DoneLine()))
        except TimeoutError:
            await response.write(encode_line(FailedLine(why="its time was over", status=OVERDUE)))
        except SwarmError as error:
            status, why = as_refusal(error)
            await response.write(encode_line(FailedLine(why=why, status=status)))


@asynccontextmanager
async def _asked_for(
    news: AsyncGenerator[list[Told]],
) -> AsyncGenerator[asyncio.Task[list[Told] | None]]:
    """The first of the news on its way, None where there is none; cancelled at the end."""

    async def ask() -> list[Told] | None:
        return await anext(news, None)

    first = asyncio.create_task(ask())
    try:
        yield first
    finally:
        await ended(first)


@asynccontextmanager
async def _pulse(response: web.StreamResponse) -> AsyncGenerator[None]:
    """An empty line a second: the asker sees that this node lives."""

    async def beat() -> None:
        with suppress(ConnectionError):  # whoever writes the answer learns that the asker has left
            while True:
                await asyncio.sleep(PULSE_S)
                await response.write(b"\n")

    async with beside(beat(), "the pulse of an answer"):
        yield


async def _say_less(_: web.Request, response: web.StreamResponse) -> None:
    """What no peer reads is not said in the answer to every heartbeat."""
    for name in ("Date", "Server"):
        response.headers.pop(name, None)


def _asked_part(request: web.Request, size: int) -> range:
    """The bytes that a Range header names, all of `size` without one. Raises an answer with 416."""
    with suppress(ValueError):  # of a header that names none
        part = range(size)[request.http_range]
        if part or "Range" not in request.headers:
            return part
    raise web.HTTPRequestRangeNotSatisfiable(text=f"the file has {size} bytes")


def _check_size(size: int, most: int) -> None:
    """Raises PeerRefused for a question of more than `most` bytes."""
    if size > most:
        raise PeerRefused(f"its context is too short for {size} bytes", status=413)


def _json(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/json")


@web.middleware
async def _report(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as what the caller is told."""
    try:
        return await handler(request)
    except SwarmError as error:
        status, why = as_refusal(error)
        return web.Response(status=status, text=why)
