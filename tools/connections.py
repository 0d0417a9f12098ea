"""The tool door's connections: a bounded number, and none that keeps it waiting without end."""

import asyncio
from typing import Any, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from guard import ConnectionLimit
from tools.replies import failure

HEADER_S = 10.0
"""A request's head has this long from its first byte, a connection has it until its first request,
and the rest of a body that nobody reads has it from the answer."""

BODY_S = 60.0
"""The body of a request that was let in has this long from its head."""

MOST_CONNECTIONS = 128


class Connection(H11Protocol):
    """uvicorn's, which bounds none of these."""

    _awaited: Literal["head", "body", "rest"] | None = None
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, places: ConnectionLimit, **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self._places = places

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One for which no place can be made is cut."""
        super().connection_made(transport)
        if self._places.take(self, transport.abort):
            self._await("head")
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Idle again, unless the next request has come meanwhile."""
        self._places.rests(self)
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._places.leave(self)
        self._await(None)
        super().connection_lost(exc)

    def _look(self) -> None:
        """What is waited for now, and whether somebody works."""
        cycle: Any = self.cycle  # None before the first request
        running = cycle and not cycle.response_complete
        if running:
            self._places.works(self)
        if self.conn.their_state is h11.SEND_BODY:
            self._await("body" if running else "rest")
        elif self.conn.their_state is h11.IDLE and (not cycle or self.conn.trailing_data[0]):
            self._await("head")
        else:
            self._await(None)
            if not running:
                self._keep_alive()

    def _keep_alive(self) -> None:
        """uvicorn's own timer, which every byte ends, also one of a body that nobody reads."""
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _await(self, what: Literal["head", "body", "rest"] | None) -> None:
        if what == self._awaited:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._awaited = what
        if what == "body":
            self._timer = self.loop.call_later(BODY_S, self._refuse_slow_body)
        elif what is not None:
            self._timer = self.loop.call_later(HEADER_S, self.transport.abort)

    def _refuse_slow_body(self) -> None:
        if self.conn.our_state is not h11.SEND_RESPONSE:  # the answer has begun
            self.transport.abort()
            return
        refused = failure(408, "http_error", f"the body took longer than {BODY_S:.0f} s")
        head = [*refused.raw_headers, (b"connection", b"close")]
        for event in (
            h11.Response(status_code=408, headers=head, reason=b"Request Timeout"),
            h11.Data(data=bytes(refused.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.cycle.disconnected = True  # who reads it learns that no more comes
        self.cycle.message_event.set()
        self.transport.close()
