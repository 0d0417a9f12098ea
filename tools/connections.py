"""The tool door's connections: so many, and none that only begins a request."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from guard import Places

HEADER_S = 10.0
"""A request's head has so long from its first byte, a connection so long to its first request."""

MOST_CONNECTIONS = 128


class Connection(H11Protocol):
    """uvicorn's, which bounds neither of the two."""

    _waiting: asyncio.TimerHandle | None = None

    def __init__(self, places: Places, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._places = places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One for which no place can be made is cut."""
        super().connection_made(transport)
        if self._places.take(self, transport.abort):
            self._wait()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Wait while a head has begun and is not whole."""
        super().data_received(data)
        self._work()
        begun: Any = self.conn.trailing_data[0]
        if self.conn.their_state is not h11.IDLE or not begun:
            self._wait_no_longer()
        elif self._waiting is None:
            self._wait()

    def on_response_complete(self) -> None:
        """Idle again, unless the next request has come meanwhile."""
        self._places.rests(self)
        super().on_response_complete()
        self._work()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._places.leave(self)
        self._wait_no_longer()
        super().connection_lost(exc)

    def _work(self) -> None:
        cycle: Any = self.cycle  # None before the first request
        if cycle and not cycle.response_complete:
            self._places.works(self)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEADER_S, self.transport.abort)

    def _wait_no_longer(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
