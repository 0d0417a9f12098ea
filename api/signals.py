"""SIGINT and SIGTERM as events of the loop."""

import asyncio
import signal
from collections.abc import Callable
from types import FrameType


class Signals:
    """The first SIGINT or SIGTERM asks for an orderly end, a second one hurries it."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self._hurry: Callable[[], object] | None = None
        self._loop = loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._arrived)
            except NotImplementedError:  # Windows
                signal.signal(number, self._arrived_outside)

    def on_second(self, hurry: Callable[[], object]) -> None:
        """Call `hurry` when a signal arrives from now on."""
        self._hurry = hurry

    def _arrived_outside(self, _number: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._arrived)

    def _arrived(self) -> None:
        self.first.set()
        if self._hurry is not None:
            self._hurry()
