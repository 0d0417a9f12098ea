"""An iteration that ends at a point in time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TypeVar

T = TypeVar("T")


class DeadlinePassedError(Exception):
    """The time is over, and what still ran has been ended."""


async def until(some: AsyncGenerator[T], at_s: float) -> AsyncGenerator[T]:
    """The same until then, by the event loop's clock; what runs is closed in any case.

    Raises DeadlinePassedError then; a TimeoutError of `some` itself goes through.
    """
    async with aclosing(some):
        while True:
            bound = asyncio.timeout_at(at_s)
            try:
                async with bound:
                    each = await anext(some)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if not bound.expired():
                    raise
                raise DeadlinePassedError from error
            yield each
