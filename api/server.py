"""An application on a socket: so many connections, bounded waits for headers, an orderly end."""

import asyncio
import errno
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from api.connection import ErrorObjectHandler
from api.context import CALLER
from federation.connections import BACKLOG, Connection, works
from guard import Places
from swarm.errors import ConfigurationError

HEADER_SECONDS = 10.0
MOST_CONNECTIONS = 384
"""With those of the other doors they leave descriptors of the usual 1,024 for what a node calls."""

_KEEP_ALIVE_SECONDS = 75.0
_LAST_WRITES_SECONDS = 1.0


class PortInUseError(ConfigurationError):
    """Somebody else listens there."""


class ClientServer:
    """Serves an application on some addresses, from entering the context until leaving it.

    aiohttp bounds no slow headers: a connection that has not sent a whole first request
    within `header_s` seconds is closed here, and later ones with the keep-alive limit.
    Of `most` connections none is cut for another while it has a request that a key let in.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        hosts: Sequence[str],
        port: int,
        header_s: float = HEADER_SECONDS,
        most: int = MOST_CONNECTIONS,
    ) -> None:
        self._app = app
        self._hosts = tuple(hosts)
        self._port = port
        self._header_s = header_s
        self._places = Places(most)
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._listener: asyncio.Server | None = None
        self._stack = AsyncExitStack()
        app.middlewares.insert(0, self._hear)
        app.middlewares.append(self._work)

    async def __aenter__(self) -> Self:
        runner = web.AppRunner(
            self._app, handler_cancellation=True, shutdown_timeout=_LAST_WRITES_SECONDS
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        if runner.server is None:
            raise RuntimeError("an aiohttp runner that was set up has a server")
        quiet: Any = None  # as `AppRunner` takes it; the connection's own type does not say so
        server = partial(
            ErrorObjectHandler,
            runner.server,
            loop=asyncio.get_running_loop(),
            access_log=quiet,
            logger=_connection_logger(),
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: self._connected(server()), self._hosts, self._port, backlog=BACKLOG
            )
        except OSError as error:
            await self._stack.aclose()
            raise _cannot_listen(error, " and ".join(self._hosts), self._port) from error
        self._stack.callback(self._listener.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        for timer in self._silent.values():
            timer.cancel()
        await self._stack.aclose()

    @property
    def port(self) -> int:
        """The port that is listened on, also when 0 was asked for."""
        if self._listener is None:
            return self._port
        return int(self._listener.sockets[0].getsockname()[1])

    def stop_accepting(self) -> None:
        """Refuse new connections; those that are open go on."""
        if self._listener is not None:
            self._listener.close()

    def _connected(self, connection: web.RequestHandler) -> Connection:
        loop = asyncio.get_running_loop()
        self._silent[connection] = loop.call_later(self._header_s, self._give_up, connection)
        return Connection(self._places, connection, left=lambda: self._heard(connection))

    def _give_up(self, connection: web.RequestHandler) -> None:
        del self._silent[connection]
        connection.force_close()

    @web.middleware
    async def _hear(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._heard(request.protocol)
        return await handler(request)

    def _heard(self, connection: web.RequestHandler) -> None:
        timer = self._silent.pop(connection, None)
        if timer is not None:
            timer.cancel()

    @web.middleware
    async def _work(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if CALLER in request:
            works(self._places, request)
        return await handler(request)


def _connection_logger() -> logging.Logger:
    logger = logging.getLogger(f"{__name__}.connections")
    logger.addFilter(_concerns_us)
    return logger


def _concerns_us(record: logging.LogRecord) -> bool:
    """Not of a request that is no HTTP: who sent it is told, and the error shows its headers."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)


def _cannot_listen(error: OSError, host: str, port: int) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return PortInUseError(f"port {port} of {host} is in use")
    return ConfigurationError(f"cannot listen on {host} port {port}: {error.strerror}")
