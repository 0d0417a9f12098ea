"""The way between two sides: how long it is, and that it changes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

from federation.endpoint import PeerEndpoint


class Way:
    """Connections to an endpoint that pass everything on after so many seconds."""

    endpoint: PeerEndpoint
    """Where the way begins."""

    def __init__(self, end: PeerEndpoint, seconds: float) -> None:
        self.end = end
        self.seconds = seconds
        self.made = 0
        self.connecting = list[asyncio.Task[None]]()
        self.transports = list[asyncio.Transport]()
        self.lost = 0

    def change(self) -> None:
        """Connections of until now pass nothing on any more, and nobody is told; new ones do."""
        self.lost = self.made

    def accepted(self) -> asyncio.Protocol:
        """One more connection."""
        loop = asyncio.get_running_loop()
        near, far = (_End(self, self.made, loop.create_future()) for _ in range(2))
        self.made += 1

        async def connect() -> None:
            await loop.create_connection(lambda: far, self.end.host, self.end.port)
            near.other.set_result(far.transport)
            far.other.set_result(near.transport)

        self.connecting.append(asyncio.create_task(connect()))
        return near


class _End(asyncio.Protocol):
    """One side of a connection; what comes in goes out at the other one, later."""

    def __init__(self, way: Way, number: int, other: asyncio.Future[asyncio.Transport]) -> None:
        self.other = other
        self._way = way
        self._number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._way.transports.append(transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._way.seconds, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self._number >= self._way.lost:
            self.other.add_done_callback(lambda other: other.result().write(data))


@contextlib.asynccontextmanager
async def way_to(end: PeerEndpoint, seconds: float = 0.0) -> AsyncGenerator[Way]:
    """A way to that endpoint, each direction so long."""
    way = Way(end, seconds)
    server = await asyncio.get_running_loop().create_server(way.accepted, "127.0.0.1", 0)
    try:
        way.endpoint = replace(end, port=server.sockets[0].getsockname()[1])
        yield way
    finally:
        server.close()
        await asyncio.gather(*way.connecting)
        for transport in way.transports:
            transport.abort()


@contextlib.asynccontextmanager
async def far_away(end: PeerEndpoint, seconds: float) -> AsyncGenerator[PeerEndpoint]:
    """The same endpoint, that far away."""
    async with way_to(end, seconds) as way:
        yield way.endpoint
