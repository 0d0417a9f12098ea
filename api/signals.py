"""SIGINT and SIGTERM as events of the loop."""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any

logger = logging.getLogger("swarm")


class Signals:
    """The first SIGINT or SIGTERM asks for an orderly end, a second one hurries it."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self._stop: Callable[[], object] | None = None
        self._hurry: Callable[[], object] | None = None
        self._second = False
        self._loop = loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._arrived)
            except NotImplementedError:  # Windows
                signal.signal(number, self._arrived_outside)

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the work, which the first signal ends until the work waits for that itself."""
        running = asyncio.timeout(None)
        try:
            async with running:
                self._stop = lambda: running.reschedule(0)
                await work
        except TimeoutError:
            if not running.expired():
                raise
            logger.info("ended before it had started")
        finally:
            self._stop = None

    def wait_for_first(self) -> asyncio.Task[Any]:
        """From now on the first signal ends nothing but this."""
        self._stop = None
        return asyncio.create_task(self.first.wait())

    def on_second(self, hurry: Callable[[], object]) -> None:
        """Call `hurry` when a second signal arrives, or now where that has happened."""
        self._hurry = hurry
        if self._second:
            hurry()

    def _arrived_outside(self, _number: int, _frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._arrived)

    def _arrived(self) -> None:
        self._second = self.first.is_set()
        self.first.set()
        if self._second and self._hurry is not None:
            self._hurry()
        elif not self._second and self._stop is not None:
            self._stop()
