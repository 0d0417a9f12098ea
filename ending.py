"""Tasks that are ended by who has begun them: cancelled, and waited for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

logger = logging.getLogger(__name__)


async def ended(*tasks: asyncio.Future[Any]) -> None:
    """Cancel these tasks; each has ended when this returns, however it did.

    What one of them has failed with is its owner's to tell. Whoever is cancelled while waiting
    here is cancelled, but not before they have ended.
    """
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


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
