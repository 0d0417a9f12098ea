"""What iterates until a point in time, and how it ends."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from swarm.deadline import DeadlinePassedError, until, within


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


@pytest.mark.parametrize(
    ("limit_s", "told"),
    [
        (0.001, "within 0.001 s"),
        (0.5, "within 0.5 s"),
        (4.9987, "within 5 s"),
        (59.98, "within 60 s"),
        (3600, "within 3600 s"),
    ],
)
def test_a_limit_is_told_as_long_as_it_is(limit_s: float, told: str) -> None:
    assert within(limit_s) == told
