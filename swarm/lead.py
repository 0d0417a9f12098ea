"""One worker's answer as it is generated; the others only say which kind of answer is due.

For low latency: all begin, the kinds of their openings are counted, the first worker of the
winning kind goes on alone.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping

from swarm.answer import Course, End, Part, Say, may_win, verdict_on
from swarm.collect import Arrival, Draft, Heard, Poll, at_once, next_arrival, to_tell
from swarm.errors import GenerationFailed, SwarmError


async def led(
    poll: Poll,
    proposals: Mapping[str, AsyncGenerator[list[Heard]]],
    *,
    clock: Callable[[], float],
    note: str | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer by a leader; each voter has a proposal of its own.

    Raises the leader's error, or that of those that fail where no leader can be found: the last,
    the request's own fault before others.
    """
    began, sent = clock(), 0
    async with at_once(list(proposals.values())) as (queue, tasks):
        race = _Race(poll, list(proposals), queue, lambda: clock() - began)
        await race.begun()
        yield [
            Course(f"{len(proposals)} workers begin" if len(proposals) > 1 else "a worker begins")
        ]
        leader = await race.leader()
        for task, name in zip(tasks, proposals, strict=True):
            if name != leader.voter.id:
                task.cancel()
        while leader.open or len(leader.pieces) > sent:
            fresh, sent = leader.pieces[sent:], len(leader.pieces)
            if fresh:
                yield [Say(0, piece) for piece in fresh]
            if leader.open:
                await race.hear()
    if leader.candidate is None:
        raise race.last
    poll.close()
    kinds = [opening(draft) for draft in poll.drafts.values()]
    alike = kinds.count(opening(leader)) / len(kinds)
    seconds = clock() - began
    told = verdict_on(poll, leader, "leader", alike, 2 * alike - 1, seconds=seconds, note=note)
    yield [End(0, leader.candidate.finish, leader), told]


class _Race:
    """The voters until one of them leads, and the leader after that."""

    def __init__(
        self,
        poll: Poll,
        names: list[str],
        queue: asyncio.Queue[Arrival],
        elapsed: Callable[[], float],
    ) -> None:
        self._poll = poll
        self._voters = [[name] for name in names]
        self._queue = queue
        self._elapsed = elapsed
        self.error: SwarmError = GenerationFailed("no worker has begun an answer")
        self.last = self.error

    async def begun(self) -> None:
        """Wait until one has taken the request. Raises the error if all have refused it."""
        while not await self.hear():
            if not any(map(may_win, self._poll.drafts.values())):
                raise self.error

    async def leader(self) -> Draft:
        """The leader, as soon as there is one; where all are through in silence, one that was cut.

        Raises the error if there is none.
        """
        while any(map(may_win, self._poll.drafts.values())):
            leader = chosen(self._poll)
            if leader is not None:
                return leader
            await self.hear()
        cut = [draft for draft in self._poll.drafts.values() if draft.cut_unsaid]
        if not cut:
            raise self.error
        return cut[0]

    async def hear(self) -> bool:
        """Take what arrives next; whether it is no failure. Raises GenerationFailed when late."""
        limit_s = self._poll.rules.deadline_s
        arrival = await next_arrival(self._queue, limit_s - self._elapsed())
        if arrival is None:
            raise GenerationFailed(f"the answer is not complete after {limit_s:.0f} s")
        failure = self._poll.take(arrival, self._voters, self._elapsed())
        self.error = to_tell(self.error, failure)
        self.last = failure or self.last
        return failure is None


def opening(draft: Draft) -> str | None:
    """The kind of answer that has begun, or None while that cannot be said."""
    if draft.calls or draft.calling:
        return "tools"
    return "text" if draft.text.strip() else None


def chosen(poll: Poll) -> Draft | None:
    """The leader, once every voter has begun: the first of the most frequent kind.

    A last one leads as soon as it thinks: nobody else is waited for.
    """
    drafts = [draft for draft in poll.drafts.values() if may_win(draft)]
    if len(drafts) == 1 and drafts[0].reasoning.strip():
        return drafts[0]
    kinds = [opening(draft) for draft in drafts]
    if not drafts or None in kinds:
        return None
    kind = Counter(kinds).most_common(1)[0][0]
    return next(draft for draft, own in zip(drafts, kinds, strict=True) if own == kind)
