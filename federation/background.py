"""Work that is done beside the rest, awaited or cancelled at the end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ending import ended

logger = logging.getLogger(__name__)


T = TypeVar("T")
P = ParamSpec("P")


class Background:
    """Tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin it; what goes wrong in it is logged, once."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def whole(self, work: Coroutine[Any, Any, T]) -> T:
        """What it gives; it goes on to its end when who waits here is cancelled."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(self._ended)
            raise

    async def end(self) -> None:
        """Cancel what still runs."""
        await ended(*self._tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("the federation failed: %s", error, exc_info=error)


class _Owner(Protocol):
    @property
    def background(self) -> Background: ...


OwnerT = TypeVar("OwnerT", bound=_Owner)


def undivided(
    method: Callable[Concatenate[OwnerT, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[OwnerT, P], Coroutine[Any, Any, T]]:
    """A method that is done whole once it was begun, whether or not its caller waits for it."""

    @wraps(method)
    async def begun(owner: OwnerT, *args: P.args, **kwargs: P.kwargs) -> T:
        return await owner.background.whole(method(owner, *args, **kwargs))

    return begun
