"""The threads of the tools, apart from those that the doors read requests in."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """At most `most` threads; none can be ended, so leaving the context waits for them."""

    def __init__(self, most: int) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="tool")
        self._left: set[Future[Any]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the work gives back. Cancelled, it goes on alone."""
        future = self._pool.submit(work, *args, **kwargs)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if not future.cancel():
                self._left.add(future)
            raise

    @property
    def left(self) -> int:
        """How many are at work for nobody."""
        self._left = {future for future in self._left if not future.done()}
        return len(self._left)
