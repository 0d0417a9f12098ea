"""What iterates until a point in time, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from swarm.deadline import DeadlinePassedError, until


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.02


async def test_what_ends_in_time_comes_whole() -> None:
    async def two() -> AsyncGenerator[int]:
        yield 1
        yield 2

    assert [each async for each in until(two(), soon())] == [1, 2]


async def test_what_hangs_is_closed_and_what_it_had_said_is_kept() -> None:
    ended: list[str] = []

    async def hung() -> AsyncGenerator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            ended.append("closed")

    steps = until(hung(), soon())
    assert await anext(steps) == 1
    with pytest.raises(DeadlinePassedError):
        await anext(steps)
    assert ended == ["closed"]


async def test_a_time_out_of_its_own_goes_through() -> None:
    async def impatient() -> AsyncGenerator[int]:
        yield 1
        raise TimeoutError("its own")

    steps = until(impatient(), soon() + 60)
    assert await anext(steps) == 1
    with pytest.raises(TimeoutError, match="its own"):
        await anext(steps)
