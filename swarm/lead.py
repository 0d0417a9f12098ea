"""One worker's answer as it is generated; the others only say which kind of answer is due.

For low latency: all begin, the kinds of their openings are counted by weight, the first worker of
the winning kind goes on alone.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from fractions import Fraction
from statistics import median

from swarm.answer import ONE_WORKER, End, Part, Progress, Say, may_win, verdict_on
from swarm.arrivals import Arrival, Heard, at_once, next_arrival
from swarm.collect import Draft, Poll
from swarm.consensus.stopping import LEAST_GRACE_S
from swarm.deadline import within
from swarm.errors import GenerationFailed, SwarmError, to_tell
from swarm.proposer import Ended
from swarm.types import DecidedBy


async def led(
    poll: Poll,
    proposals: Mapping[str, AsyncGenerator[list[Heard]]],
    *,
    clock: Callable[[], float],
    note: str | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer by a leader; each voter has a proposal of its own.

    At the deadline the answer ends as far as it came, as if `max_tokens` had been reached. Raises
    the leader's error, or that of those that fail where no leader can be found: the last, the
    request's own fault before others.
    """
    began, sent = clock(), 0
    async with at_once(list(proposals.values())) as (queue, tasks):
        race = _Race(poll, list(proposals), queue, lambda: clock() - began)
        await race.begun()
        yield [
            Progress(f"{len(proposals)} workers begin" if len(proposals) > 1 else "a worker begins")
        ]
        leader = await race.leader()
        alike = share_of(leader, poll.drafts.values())
        for task, name in zip(tasks, proposals, strict=True):
            if name != leader.voter.id:
                task.cancel()
        while leader.open or len(leader.pieces) > sent:
            fresh, sent = leader.pieces[sent:], len(leader.pieces)
            if fresh:
                yield [Say(0, piece) for piece in fresh]
            if leader.open:
                await race.go_on(leader)
    if leader.candidate is None:
        raise race.last
    poll.close()
    told = verdict_on(
        poll,
        leader,
        race.decided_by,
        support=alike,
        margin=2 * alike - 1,
        chosen=ONE_WORKER,
        seconds=clock() - began,
        note=note,
    )
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
        self._opened_s: dict[str, float] = {}
        self._late = False
        self.error: SwarmError = GenerationFailed("no worker has begun an answer")
        self.last = self.error

    @property
    def decided_by(self) -> DecidedBy:
        """Why this is the answer."""
        if self._late:
            return "deadline"
        return "leader" if len(self._poll.drafts) > 1 else "only one"

    async def begun(self) -> None:
        """Wait until one has taken the request. Raises the error if all have refused it."""
        while not await self._hear():
            self._must_be_in_time()
            if not any(map(may_win, self._poll.drafts.values())):
                raise self.error

    async def leader(self) -> Draft:
        """The leader, as soon as there is one. Where all have ended and none is valid, one whose
        answer is given all the same (`_invalid`).

        Raises the error if there is none.
        """
        while able := [draft for draft in self._poll.drafts.values() if may_win(draft)]:
            opened_s = {d.voter.id: self._opened_s[d.voter.id] for d in able if opening(d)}
            due_s = waited_until(able, opened_s, self._poll.rules.patience_s)
            leader = leader_of(able, due=self._late or self._elapsed() >= due_s)
            if leader is not None:
                return leader
            if thinking := [draft for draft in able if self._late and draft.reasoning.strip()]:
                return thinking[0]
            if self._late:
                break
            await self._hear(due_s)
        given = self._invalid()
        if given is None:
            self._must_be_in_time()
            raise self.error
        return given

    def _invalid(self) -> Draft | None:
        """One whose answer is given where none is valid: the first of the heaviest kind. Else one
        that only thought or was cut; else a silent one, if neither a call nor a form was asked for.
        """
        through = [draft for draft in self._poll.drafts.values() if draft.candidate]
        spoken = leader_of([draft for draft in through if opening(draft)], due=True)
        if spoken is not None:
            return spoken
        silent = [draft for draft in through if not self._poll.rules.asks_form]
        unsaid = [draft for draft in through if draft.reasoning.strip() or draft.cut_unsaid]
        return next(iter(unsaid or silent), None)

    async def go_on(self, leader: Draft) -> None:
        """Take what arrives next; at the deadline the leader's answer ends."""
        await self._hear()
        if self._late and leader.open:
            now_s = self._elapsed()
            self._poll.hear(leader.voter.id, Ended("length", leader.tokens), now_s)

    async def _hear(self, until_s: float = math.inf) -> bool:
        """Take what arrives next, until then or the deadline; whether it isn't a failure."""
        limit_s = self._poll.rules.deadline_s
        arrival = await next_arrival(self._queue, min(until_s, limit_s) - self._elapsed())
        if arrival is None:
            self._late = limit_s <= until_s
            return False
        now_s = self._elapsed()
        failure = self._poll.take(arrival, self._voters, now_s)
        self.error = to_tell(self.error, failure)
        self.last = failure or self.last
        [voter] = self._voters[arrival[0]]
        if opening(self._poll.drafts[voter]):
            self._opened_s.setdefault(voter, now_s)
        return failure is None

    def _must_be_in_time(self) -> None:
        if self._late:
            limit = within(self._poll.rules.deadline_s)
            raise GenerationFailed(f"no worker has said anything {limit}")


def opening(draft: Draft) -> str | None:
    """The kind of answer that has begun, or None while that cannot be said."""
    if draft.calls or draft.calling:
        return "tools"
    return "text" if draft.text.strip() else None


def leader_of(able: Collection[Draft], *, due: bool = False) -> Draft | None:
    """The leader: the first of the heaviest kind, once those that are silent cannot change which
    that is, or nobody is waited for any more. `able` are those that may lead.

    A last one leads as soon as it thinks: nobody else is waited for.
    """
    first = next(iter(able), None)
    if first is not None and len(able) == 1 and first.reasoning.strip():
        return first
    weights = weight_by_kind(able)
    if not weights:
        return None
    kind = max(weights, key=lambda kind: weights[kind])
    others = sum((weight for other, weight in weights.items() if other != kind), Fraction(0))
    silent = sum((draft.voter.weight for draft in able if not opening(draft)), Fraction(0))
    if silent and not due and weights[kind] <= others + silent:
        return None
    return next(draft for draft in able if opening(draft) == kind)


def weight_by_kind(drafts: Iterable[Draft]) -> dict[str, Fraction]:
    """What those that have begun each kind of answer weigh together, the first kind first."""
    weights: dict[str, Fraction] = {}
    for draft in drafts:
        if kind := opening(draft):
            weights[kind] = weights.get(kind, Fraction(0)) + draft.voter.weight
    return weights


def share_of(leader: Draft, drafts: Iterable[Draft]) -> float:
    """The leader's kind in all weight that has begun to answer and has not failed."""
    weights = weight_by_kind(draft for draft in drafts if may_win(draft))
    own = opening(leader)
    return float(weights[own] / sum(weights.values())) if own in weights else 1.0


def waited_until(
    able: Collection[Draft], opened_s: Mapping[str, float], patience_s: float
) -> float:
    """Until when those that are silent are waited for; `opened_s` says who began when, in seconds.

    By the rules of a vote: once more than half have begun, a grace; for one that is stronger than
    all who have begun, as long again, at most `patience_s`. For a silent half `patience_s`.
    """
    if not opened_s:
        return math.inf
    times = sorted(opened_s.values())
    until = times[0] + max(LEAST_GRACE_S, patience_s)
    if len(times) > len(able) // 2:
        grace = max(LEAST_GRACE_S, median(times) / 2)
        until = min(until, times[len(able) // 2] + grace)
    strongest = max(able, key=lambda draft: draft.voter.weight).voter.weight
    if all(draft.voter.weight < strongest for draft in able if draft.voter.id in opened_s):
        until = max(until, times[-1] + min(times[-1], patience_s))
    return until
