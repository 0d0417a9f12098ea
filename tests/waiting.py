"""Waiting for what has no event of its own."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 30.0
"""Long also for a busy machine: only a test that fails waits for its end."""


async def until(what: Callable[[], object]) -> None:
    """Return once `what()` holds, which is asked in the event loop."""
    async with asyncio.timeout(PATIENCE_S):
        while not what():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


def wait_until(what: Callable[[], object]) -> None:
    """Return once `what()` holds, where no event loop runs."""
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s"
        time.sleep(0.005)
