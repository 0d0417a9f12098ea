"""Tasks and processes that are ended by who has begun them, and waited for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel these tasks; each has ended when this returns, however it did.

    What one of them has failed with is its owner's to tell. Whoever is cancelled while waiting
    here is cancelled, but not before they have ended.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def whole(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives back. Whoever is cancelled while waiting here, once or often, is
    cancelled, but not before it has ended; it goes on until then. What it failed with is the
    cause of that cancellation.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled from (None if task.cancelled() else task.exception())
    return task.result()


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None], what: str) -> AsyncGenerator[None]:
    """The work goes on beside the block, and ends with it. Nobody reads how it ends: where it
    fails, which is a mistake of ours, that is logged at once, and the block goes on.
    """
    task = asyncio.create_task(work, name=what)
    task.add_done_callback(tell_failure)
    try:
        yield
    finally:
        await ended(task)


def tell_failure(task: asyncio.Task[None]) -> None:
    """Log what a task that nobody waits for has failed with."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s: it ended by a mistake of ours", task.get_name(), exc_info=error)


async def killed(process: asyncio.subprocess.Process) -> None:
    """Kill it where it still runs; it has ended when this returns.

    What it said and nobody has read is read: until then asyncio's `wait` does not return before
    Python 3.13, for a pipe that is too full is not looked at, so its end is not seen.
    """
    if process.returncode is None:
        process.kill()
    await process.communicate()
