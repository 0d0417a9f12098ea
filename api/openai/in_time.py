"""One worker's answer that ends at the request's deadline, as far as it came."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from api.generated import Generated
from swarm.deadline import DeadlinePassedError, until, within
from swarm.engines.base import Delta, Event, Finished, Started
from swarm.errors import GenerationFailed


@dataclass(frozen=True, slots=True)
class CutShort(Finished):
    """The end that the deadline has put to a sequence."""


async def in_time(
    events: AsyncGenerator[list[Event]], n: int, limit_s: float
) -> AsyncGenerator[list[Event]]:
    """The same events for `limit_s`; then each of the `n` sequences that still runs is cut.

    Raises GenerationFailed where none of them has said anything by then.
    """
    clock = asyncio.get_running_loop().time
    began_s = read_s = clock()
    generated, spoken = Generated(), False
    running = set(range(n))
    try:
        async with aclosing(until(events, began_s + limit_s)) as steps:
            async for step in steps:
                for event in step:
                    generated.hear(event)
                    spoken = spoken or _tells(event)
                    if isinstance(event, Started):
                        read_s = clock()
                    elif isinstance(event, Finished):
                        running.discard(event.index)
                yield step
    except DeadlinePassedError:
        if not spoken:
            told = f"no worker has said anything {within(limit_s)}"
            raise GenerationFailed(told) from None
        read, wrote = read_s - began_s, clock() - read_s
        yield [CutShort(at, "length", generated.of(at), read, wrote) for at in sorted(running)]


def _tells(event: Event) -> bool:
    """Whether an answer that ends here has something in it: a piece of a call is nothing yet."""
    return isinstance(event, Delta) and bool(event.text or event.reasoning or event.calls)
