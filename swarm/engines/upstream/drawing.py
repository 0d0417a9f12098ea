"""The requests of one generation: what they bring, in one stream, until each sequence has ended."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from ending import ended
from swarm.engines.base import Accepted, Event, Failed, Finished
from swarm.errors import GenerationFailed, SwarmError, to_tell

Share: TypeAlias = "tuple[Collection[int], AsyncIterator[list[Event]]]"
"""The sequences that one request draws, and what it brings."""


REFUSAL_S = 1.0
"""How long the first answer to begin is waited for, so that a refusal can still be a status;
whoever waits must hear something then."""


@dataclass(frozen=True, slots=True)
class _Broken:
    """What ended the request for these sequences."""

    indices: Collection[int]
    error: SwarmError


_Item: TypeAlias = "list[Event] | _Broken | SwarmError | asyncio.Task[None]"
"""What a generation waits for: events, the error of one request, the engine's end, or that of the
task of a request.
"""


class Drawing:
    """`n` sequences that are drawn by several requests, of which some may fail."""

    def __init__(self, n: int) -> None:
        self._missing = set(range(n))
        self._queue: asyncio.Queue[_Item] = asyncio.Queue()
        self._error: SwarmError = GenerationFailed("the upstream server drew nothing")
        self._any_whole = False
        self._begun = False

    @property
    def missing(self) -> int:
        """How many sequences have not ended yet."""
        return len(self._missing)

    def stop(self, error: SwarmError) -> None:
        """The generation ends with this error, whatever its requests bring."""
        self._queue.put_nowait(error)

    async def events(
        self, accepted: Accepted, shares: Sequence[Share]
    ) -> AsyncGenerator[list[Event]]:
        """That the prompt is accepted, and what the requests bring, each at first nothing when the
        server begins to answer. One that fails costs its own sequences; where no sequence is whole
        and none is left it raises what `to_tell` says.
        """
        tasks = [asyncio.create_task(self._pump(*share)) for share in shares]
        for task in tasks:
            task.add_done_callback(self._queue.put_nowait)
        try:
            yield await self._opening(accepted)
            while self._missing:
                if step := self._taken(await self._queue.get()):
                    yield step
        finally:
            await ended(*tasks)

    async def _opening(self, accepted: Accepted) -> list[Event]:
        """What there is when an answer begins, or the server has taken its time."""
        events: list[Event] = [accepted]
        with suppress(TimeoutError):
            async with asyncio.timeout(REFUSAL_S):
                while not self._begun:
                    events += self._taken(await self._queue.get())
        return events

    async def _pump(self, indices: Collection[int], events: AsyncIterator[list[Event]]) -> None:
        """Put all that one request brings into the queue."""
        try:
            async for step in events:
                self._queue.put_nowait(step)
        except SwarmError as error:
            self._queue.put_nowait(_Broken(indices, error))

    def _taken(self, item: _Item) -> list[Event]:
        match item:
            case SwarmError():
                raise item
            case asyncio.Task():
                item.result()  # raises what nobody foresaw
                return []
            case _Broken(indices, error):
                return self._failed(indices, error)
            case events:
                self._begun = True
                whole = {event.index for event in events if isinstance(event, Finished)}
                self._missing -= whole
                self._any_whole = self._any_whole or bool(whole)
                return events

    def _failed(self, indices: Collection[int], error: SwarmError) -> list[Event]:
        lost = self._missing & set(indices)
        self._missing -= lost
        self._error = to_tell(self._error, error)
        if lost and not self._missing and not self._any_whole:
            raise self._error
        return [Failed(index, error) for index in sorted(lost)]
