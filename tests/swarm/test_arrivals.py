"""What several proposers say at once: how one that ends is told, and who is not told of."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from swarm.arrivals import Heard, at_once
from swarm.errors import EngineLost, GenerationFailed
from swarm.proposer import Began


async def saying(end: BaseException | None) -> AsyncGenerator[list[Heard]]:
    yield [("a", Began(1, 0))]
    if end:
        raise end


async def silent() -> AsyncGenerator[list[Heard]]:
    await asyncio.Event().wait()
    yield []


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (None, "ended without an answer"),
        (EngineLost("gone"), "gone"),
        (asyncio.CancelledError(), "it was cancelled"),  # as a session that is closed does it
    ],
    ids=["by itself", "in an error", "in a cancellation that nobody asked for"],
)
async def test_a_proposer_that_ends_is_told_of(end: BaseException | None, told: str) -> None:
    async with asyncio.timeout(5), at_once([silent(), saying(end)]) as (queue, _):
        assert await queue.get() == (1, [("a", Began(1, 0))])
        at, error = await queue.get()
        assert at == 1
        assert isinstance(error, GenerationFailed | EngineLost)
        assert told in str(error)


async def test_one_that_was_ended_here_is_not_told_of() -> None:
    async with at_once([silent(), silent()]) as (queue, tasks):
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait(tasks[:1])
    assert all(task.cancelled() for task in tasks)
    assert queue.empty()
