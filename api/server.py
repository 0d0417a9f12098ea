"""An application on a socket: bounded connections, bounded waits for headers, an orderly end."""

import asyncio
import errno
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from api.connection import ErrorObjectHandler
from api.context import CALLER
from federation.connections import BACKLOG, Connection, works
from federation.sockets import Listener, take
from guard import ConnectionLimit
from hardware.listener import holder_of
from swarm.errors import ConfigurationError

HEADER_SECONDS = 10.0
MOST_CONNECTIONS = 384
"""At most this many clients are connected: of the usual 1,024 descriptors, these and the other
doors' leave enough for what a node calls."""

_KEEP_ALIVE_SECONDS = 75.0
_LAST_WRITES_SECONDS = 1.0


class ClientServer:
    """Some addresses that are nobody else's from entering the context until leaving it, and an
    application that is served there; before that, clients are refused.

    aiohttp bounds no slow headers: a connection that has not sent a whole first request
    within `header_s` seconds is closed here, and later ones with the keep-alive limit.
    Of `most` connections none is cut for another while it has a request that a key let in.
    """

    def __init__(
        self,
        *,
        hosts: Sequence[str],
        port: int,
        header_s: float = HEADER_SECONDS,
        most: int = MOST_CONNECTIONS,
    ) -> None:
        self._hosts = tuple(hosts)
        self._port = port
        self._header_s = header_s
        self._places = ConnectionLimit(most)
        self._silent: dict[web.RequestHandler, asyncio.TimerHandle] = {}
        self._listener: Listener | None = None
        self._logger = _connection_logger()
        self._served: web.Server | None = None

    async def __aenter__(self) -> Self:
        """Raises ConfigurationError where the port cannot be had at each of the hosts."""
        try:
            self._listener = await take(self._connected, self._hosts, self._port, backlog=BACKLOG)
        except OSError as error:
            raise await self._cannot_listen(error) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_accepting()

    @asynccontextmanager
    async def serving(self, app: web.Application) -> AsyncGenerator[None]:
        """Serve this while the block runs, once. Raises ConfigurationError."""
        if self._listener is None:
            raise RuntimeError("a server is entered before it serves")
        app.middlewares.insert(0, self._hear)
        app.middlewares.append(self._work)
        runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=_LAST_WRITES_SECONDS
        )
        await runner.setup()
        try:
            self._served = runner.server
            try:
                await self._listener.start()
            except OSError as error:  # another one began to listen since the port was taken
                raise await self._cannot_listen(error) from error
            yield
        finally:
            for timer in self._silent.values():
                timer.cancel()
            self.stop_accepting()
            await runner.cleanup()

    @property
    def port(self) -> int:
        """The port that is listened on, also when 0 was asked for."""
        return self._listener.port if self._listener else self._port

    def stop_accepting(self) -> None:
        """Refuse new connections; those that are open go on."""
        if self._listener is not None:
            self._listener.close()

    def _connected(self) -> Connection:
        if self._served is None:
            raise RuntimeError("an aiohttp runner that was set up has a server")
        loop = asyncio.get_running_loop()
        quiet: Any = None  # as `AppRunner` takes it; the connection's own type does not say so
        connection = ErrorObjectHandler(
            self._served,
            loop=loop,
            access_log=quiet,
            logger=self._logger,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
        )
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

    async def _cannot_listen(self, error: OSError) -> ConfigurationError:
        host = error.filename or " and ".join(self._hosts)
        if error.errno != errno.EADDRINUSE:
            return ConfigurationError(
                f"cannot listen on {host} port {self._port}: {error.strerror}"
            )
        holder = await asyncio.to_thread(holder_of, self._port)
        by = f" by {holder}" if holder else ""
        return ConfigurationError(
            f"port {self._port} of {host} is in use{by}; choose another with --port N"
        )


def _connection_logger() -> logging.Logger:
    logger = logging.getLogger(f"{__name__}.connections")
    logger.addFilter(_concerns_us)
    return logger


def _concerns_us(record: logging.LogRecord) -> bool:
    """Not of a request that isn't HTTP: who sent it is told, and the error shows its headers."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError)
