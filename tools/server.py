"""The tool server's door: plain HTTP and MCP in one Starlette application."""

import asyncio
import contextlib
import hmac
import json
import logging
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from functools import partial
from typing import Any, Self

import uvicorn
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ending import ended
from guard import ConnectionLimit, Door, refusal
from mistakes import first_mistake
from tools.bodies import CancelBody, ExecuteBody, events, listed, result
from tools.calls import Calls, Running
from tools.connections import MOST_CONNECTIONS, Connection
from tools.errors import ToolError
from tools.mcp_door import mcp_server
from tools.registry import Registry
from tools.replies import error_reply, failure

logger = logging.getLogger(__name__)

_BODY_BYTES = 16 << 20
_SESSIONS = 1024
"""At most this many sessions are kept: OpenCode leaves one behind at each start, which ends half an
hour later."""
_BACKLOG = 128
"""At most this many connections wait to be accepted; asyncio takes that many at a time, before any
has a place."""
_START_S = 10.0
_END_S = 3
_ANSWER_S = 1.0
"""The answers to calls that the end cut short have this long before the sessions that carry them
end."""
_WATCHER = "_shutdown_watcher"


def make_app(
    registry: Registry,
    door: Door,
    *,
    token: str | None,
    other_token: Callable[[], str | None] = lambda: None,
) -> ASGIApp:
    """The application. `other_token` is taken too, if there is one just then.

    Raises ValueError without a token for a door beyond loopback.
    """
    if token is None and door.beyond:
        raise ValueError("a tool server beyond loopback needs a token")
    manager = StreamableHTTPSessionManager(
        mcp_server(registry),
        max_sessions=_SESSIONS,
        max_request_body_size=_BODY_BYTES,
        # The guard before it checks Host and Origin.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        del app
        async with manager.run():
            yield
            await registry.aclose()
            await guarded.answered()

    routes = _Routes(registry)
    app = Starlette(
        routes=[
            Route("/v1/tools", routes.tools, methods=["GET"]),
            Route("/v1/tools/execute", routes.execute, methods=["POST"]),
            Route("/v1/tools/cancel", routes.cancel, methods=["POST"]),
            Route("/mcp", StreamableHTTPASGIApp(manager)),
        ],
        exception_handlers={
            ToolError: _tool_error,
            ValidationError: _invalid,
            HTTPException: _http_error,
            ClientDisconnect: _left,
        },
        lifespan=lifespan,
    )
    guarded = _Guarded(app, door, token, other_token)
    return guarded


class _Routes:
    """The plain HTTP side."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._calls = Calls(registry)

    async def tools(self, request: Request) -> Response:
        del request
        return JSONResponse(listed(await self._registry.descriptions()))

    async def execute(self, request: Request) -> Response:
        body = ExecuteBody.model_validate(await _json(request))
        running = self._start(body)
        if body.stream:
            return StreamingResponse(
                events(self._calls, running, body.name), media_type="text/event-stream"
            )
        gone = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({running.task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not running.task.done():
                return Response(status_code=499)
            return JSONResponse(result(running.id, body.name, await running.output()))
        finally:
            gone.cancel()
            await self._calls.end(running)

    async def cancel(self, request: Request) -> Response:
        body = CancelBody.model_validate(await _json(request))
        if not await self._calls.cancel(body.id):
            raise HTTPException(404, f"no call with the id {body.id!r} runs")
        return JSONResponse({"id": body.id, "cancelled": True})

    def _start(self, body: ExecuteBody) -> Running:
        return self._calls.start(body.id, body.name, body.arguments, session=body.session)


class _Guarded:
    """Turns away who may not speak to this door, before anything is read; when it ends, all."""

    def __init__(
        self, app: ASGIApp, door: Door, token: str | None, other_token: Callable[[], str | None]
    ) -> None:
        self._app = app
        self._door = door
        self._token = token
        self._other_token = other_token
        self._answering: set[asyncio.Task[Any]] = set()
        self._ends = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = self._refused(scope) or self._app
        task = asyncio.current_task()
        assert task is not None
        if scope["method"] != "GET":  # MCP has streams by GET, which go on until a session ends
            self._answering.add(task)
        try:
            await answer(scope, receive, send)
        finally:
            self._answering.discard(task)

    async def answered(self) -> None:
        """Nobody is let in from now on; who was has the answer when this returns, unless that is
        not read.
        """
        self._ends = True
        if self._answering:
            await asyncio.wait(self._answering, timeout=_ANSWER_S)

    def _refused(self, scope: Scope) -> Response | None:
        if self._ends:
            return failure(503, "http_error", "this tool server is being ended")
        headers = Headers(scope=scope)
        found = refusal(
            self._door.at((scope.get("server") or ("",))[0]),
            method=scope.get("method", "GET"),
            hosts=headers.getlist("host"),
            origins=headers.getlist("origin"),
            content_type=", ".join(headers.getlist("content-type")),
        )
        if found is not None:
            return failure(found.status, found.code, found.message)
        if self._token is None:
            return None
        scheme, _, told = headers.get("authorization", "").partition(" ")
        shown = told.strip().encode()
        known = (self._token, self._other_token())
        same = any(hmac.compare_digest(shown, each.encode()) for each in known if each)
        if scheme.lower() == "bearer" and same and len(headers.getlist("authorization")) == 1:
            return None
        refused = failure(401, "invalid_token", "send the header Authorization: Bearer TOKEN")
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused


async def _json(request: Request) -> Any:
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > _BODY_BYTES:
            raise HTTPException(413, f"a body has at most {_BODY_BYTES} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from error


async def _gone(request: Request) -> None:
    """Until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _tool_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ToolError)
    return error_reply(error)


async def _invalid(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, ValidationError)
    return failure(400, "invalid_request", first_mistake(error, "the body"))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404 and message == "Not Found":
        message = f"there is no {request.url.path}: there is /v1/tools, /v1/tools/execute, /mcp"
    answer = failure(error.status_code, "http_error", message)
    answer.headers.update(error.headers or {})
    return answer


async def _left(request: Request, error: Exception) -> Response:
    del request, error
    return Response(status_code=499)


class _Server(uvicorn.Server):
    """uvicorn, but signals are the node's own, and its start is told."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """The application ends first: uvicorn would wait for connections that only that closes,
        and then cut them. It asks for that end again, which is over then.
        """
        await self.lifespan.shutdown()
        await super().shutdown(sockets)

    async def listen(self, door: socket.socket) -> asyncio.Server:
        """Serve at this door too, by the protocol that `startup` gives the others."""
        protocol: Any = self.config.http_protocol_class

        def accept() -> asyncio.Protocol:
            return protocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
            )

        loop = asyncio.get_running_loop()
        return await loop.create_server(accept, sock=door, backlog=_BACKLOG)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class ToolServer:
    """The application on a port of each of `hosts`, from entering the context until leaving it.

    Raises OSError where the port is taken.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Sequence[str], port: int, most: int = MOST_CONNECTIONS
    ) -> None:
        self._hosts = tuple(hosts)
        protocol: Any = partial(Connection, ConnectionLimit(most))
        self._server = _Server(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_END_S,
                timeout_keep_alive=75,
                backlog=_BACKLOG,
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.port = port

    async def __aenter__(self) -> Self:
        doors: list[socket.socket] = []
        with contextlib.ExitStack() as opened:
            for host in self._hosts:
                doors.append(opened.enter_context(_door(host, self.port)))
                self.port = doors[0].getsockname()[1]
            opened.pop_all()  # uvicorn closes them
        self._serving = asyncio.create_task(self._server.serve(sockets=doors))
        started = asyncio.create_task(self._server.ready.wait())
        try:
            async with asyncio.timeout(_START_S):
                await asyncio.wait({started, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            started.cancel()
        return self

    async def listen(self, hosts: Sequence[str]) -> None:
        """Listen there from now on; what is already connected stays. Raises OSError."""
        at = dict(zip(self._hosts, self._server.servers, strict=True))
        with contextlib.ExitStack() as opened:
            new = [host for host in hosts if host not in at]
            doors = [opened.enter_context(_door(host, self.port)) for host in new]
            opened.pop_all()
        for host, door in zip(new, doors, strict=True):
            at[host] = await self._server.listen(door)
        for gone in at.keys() - set(hosts):
            at.pop(gone).close()
        self._hosts, self._server.servers = tuple(at), list(at.values())

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        await _end_watchers()


def _door(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG)


async def _end_watchers() -> None:
    """sse-starlette, by which MCP streams, leaves a task in the loop that waits for uvicorn's
    signals; they are not uvicorn's here.
    """
    await ended(*(task for task in asyncio.all_tasks() if _WATCHER in repr(task.get_coro())))
