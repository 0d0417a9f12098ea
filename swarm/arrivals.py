"""What several proposers say at once, in one queue, as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import TypeAlias

from ending import ended
from swarm.errors import GenerationFailed
from swarm.proposer import News, Told

Heard: TypeAlias = tuple[str, News]
"""A voter's id and what there is of its answer."""

Arrival: TypeAlias = tuple[int, list[Heard] | BaseException]
"""What the proposer at this place says, or the error that it ended with."""


async def as_heard(
    told: AsyncGenerator[list[Told]], voters: Sequence[str]
) -> AsyncGenerator[list[Heard]]:
    """What a proposer tells of its workers: the i-th is the i-th of these voters."""
    async with aclosing(told):
        async for step in told:
            yield [(voters[at], news) for at, news in step]


@asynccontextmanager
async def at_once(
    proposals: Sequence[AsyncGenerator[list[Heard]]],
) -> AsyncGenerator[tuple[asyncio.Queue[Arrival], list[asyncio.Task[None]]]]:
    """All proposers running; what they say in one queue, and the task of each.

    Cancelling a task ends its proposer, leaving ends all.
    """
    queue: asyncio.Queue[Arrival] = asyncio.Queue()

    async def pump(at: int, proposal: AsyncGenerator[list[Heard]]) -> None:
        async with aclosing(proposal):
            async for heard in proposal:
                queue.put_nowait((at, heard))
        raise GenerationFailed("it ended without an answer")

    def tell(at: int, task: asyncio.Task[None]) -> None:
        if task.cancelling():  # it was ended here
            return
        error = GenerationFailed("it was cancelled") if task.cancelled() else task.exception()
        if error:
            queue.put_nowait((at, error))

    tasks = [asyncio.create_task(pump(at, proposal)) for at, proposal in enumerate(proposals)]
    for at, task in enumerate(tasks):
        task.add_done_callback(partial(tell, at))
    try:
        yield queue, tasks
    finally:
        await ended(*tasks)


async def next_arrival(queue: asyncio.Queue[Arrival], timeout_s: float) -> Arrival | None:
    """What arrives next, None if there is nothing for that many seconds."""
    try:
        async with asyncio.timeout(max(0.0, timeout_s)):
            return await queue.get()
    except TimeoutError:
        return None
