"""The tool door's connections: not too many, and none that only begins a request."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_S = 10.0
"""A request's head has so long from its first byte, a connection so long to its first request."""

MOST_CONNECTIONS = 256
"""Each takes a descriptor of the node, which it needs for its other doors."""


class Connection(H11Protocol):
    """uvicorn's, which bounds neither of the two."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One too many is cut."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait while a head has begun and is not whole."""
        super().data_received(data)
        begun: Any = self.conn.trailing_data[0]
        if self.conn.their_state is not h11.IDLE or not begun:
            self._wait_no_longer()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEADER_S, self.transport.abort)

    def _wait_no_longer(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
