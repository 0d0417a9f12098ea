"""An iteration that ends at a point in time, and how its limit is told."""

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


def within(limit_s: float) -> str:
    """A limit as a message tells it, for a short one is not 0."""
    return f"within {limit_s:.0f} s" if limit_s >= 10 else f"within {limit_s:.2g} s"
