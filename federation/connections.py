"""Connections of the doors that aiohttp serves: each has one of its door's places while it lasts,
behind TLS from before the handshake; and who calls on one.
"""

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable

from aiohttp import web

from federation.background import Background
from federation.trust import node_id_of
from guard import ConnectionLimit
from hardware.interfaces import scoped

BACKLOG = 128
"""At most this many connections wait to be accepted; asyncio takes that many at a time, before any
has a place."""

_UNHEARD_MS = 6000


class Connection(asyncio.Protocol):
    """Stands before what serves a connection, and tells the door's places of it.

    `left` is called when one that had a place is closed.
    """

    def __init__(
        self,
        places: ConnectionLimit,
        served: web.RequestHandler,
        *,
        left: Callable[[], None] = lambda: None,
    ) -> None:
        self._places = places
        self._served = served
        self._left = left
        self._begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """One for which no place can be made is cut."""
        assert isinstance(transport, asyncio.Transport)
        if self._places.take(self._served, transport.abort):
            self._begin(transport)
        else:
            transport.abort()
            self._left()

    def data_received(self, data: bytes) -> None:
        self._served.data_received(data)

    def eof_received(self) -> None:
        self._served.eof_received()

    def pause_writing(self) -> None:
        self._served.pause_writing()

    def resume_writing(self) -> None:
        self._served.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Its place is free."""
        self._places.leave(self._served)
        if self._begun:
            self._begun = False
            self._served.connection_lost(exc)
            self._left()

    def _begin(self, transport: asyncio.Transport) -> None:
        self._begun = True
        self._served.connection_made(transport)


class SecureConnection(Connection):
    """The same behind TLS. A handshake that is not done in time ends it."""

    def __init__(
        self,
        places: ConnectionLimit,
        served: web.RequestHandler,
        *,
        context: ssl.SSLContext,
        handshake_s: float,
        handshakes: Background,
    ) -> None:
        super().__init__(places, served)
        self._context = context
        self._handshake_s = handshake_s
        self._handshakes = handshakes
        self._early = bytearray()

    def data_received(self, data: bytes) -> None:
        """What comes with the end of the handshake waits for it."""
        if self._begun:
            super().data_received(data)
        else:
            self._early += data

    def eof_received(self) -> None:
        if self._begun:
            super().eof_received()

    def _begin(self, transport: asyncio.Transport) -> None:
        self._handshakes.start(self._secure(transport))

    async def _secure(self, plain: asyncio.Transport) -> None:
        try:
            secure = await asyncio.get_running_loop().start_tls(
                plain,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._handshake_s,
            )
        except (OSError, TimeoutError):  # it is not a member, or has left
            secure = None
        if secure is None or plain.is_closing():
            self._places.leave(self._served)
            return
        super()._begin(secure)
        if self._early:
            super().data_received(bytes(self._early))
            self._early.clear()


def works(places: ConnectionLimit, request: web.BaseRequest) -> None:
    """Until the answer to this request is written, its connection is not cut for another."""
    connection = request.protocol
    places.works(connection)
    task = asyncio.current_task()  # aiohttp has one for each request, which writes its answer too
    assert task is not None
    task.add_done_callback(lambda _: places.rests(connection))


def notice_when_gone(request: web.Request) -> None:
    """Where a caller's machine has no power or cable any more, nothing is acknowledged.

    Elsewhere than on Linux the system notices in its own time, which may be minutes.
    """
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport else None
    if connection is not None and sys.platform == "linux":
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD_MS)


def caller(request: web.Request) -> str:
    """The node id of the caller, as TLS has proved it."""
    transport = request.transport
    tls = transport.get_extra_info("ssl_object") if transport else None
    certificate = tls.getpeercert(binary_form=True) if tls else None
    if certificate is None:
        raise web.HTTPForbidden
    return node_id_of(certificate)


def came_from(request: web.Request) -> str:
    """Where the caller is; a link-local address means nothing without its zone."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport else None
    if not peer:
        return ""
    return scoped(peer[0], peer[3]) if len(peer) == 4 else str(peer[0])
