"""A question put to all workers that answer it: they vote, or one of them leads."""

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from swarm.answer import Part, voted
from swarm.arrivals import Heard, as_heard
from swarm.chat.completion import Text
from swarm.collect import Poll, Rules, collect
from swarm.consensus.judge import order_of, picked, question
from swarm.consensus.tally import Voter
from swarm.lead import led
from swarm.proposer import Proposer, Said, Told
from swarm.types import Candidate, Question, Verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Party:
    """A proposer, the model that it answers with, and the voters that it answers for."""

    proposer: Proposer
    model: str
    voters: Sequence[Voter]


class Judging:
    """One worker as the judge of a vote; `ask` puts a question to it, `tokens` are its own."""

    def __init__(self, ask: Callable[[str], AsyncGenerator[list[Told]]], *, seed: str) -> None:
        self._ask = ask
        self._seed = seed
        self.tokens = 0

    async def pick(self, candidates: list[Candidate]) -> int | None:
        """Which candidate it prefers, by its place."""
        order = order_of(len(candidates), self._seed)
        reply = ""
        async with aclosing(self._ask(question([candidates[at] for at in order]))) as told:
            async for step in told:
                said = [news for _, news in step if isinstance(news, Said)]
                self.tokens += sum(news.tokens for news in said)
                pieces = [piece for news in said for piece in news.pieces]
                reply += "".join(piece.text for piece in pieces if isinstance(piece, Text))
        place = picked(reply, len(order))
        return None if place is None else order[place]

    async def counted(self, parts: AsyncGenerator[list[Part]]) -> AsyncGenerator[list[Part]]:
        """The same parts; the verdict counts the judge's tokens among those generated."""
        async with aclosing(parts):
            async for step in parts:
                yield [self._counted(part) if isinstance(part, Verdict) else part for part in step]

    def _counted(self, verdict: Verdict) -> Verdict:
        return replace(verdict, generated_tokens=verdict.generated_tokens + self.tokens)


def poll_of(parties: Sequence[Party], rules: Rules) -> Poll:
    """The poll of all their voters, whose calls get ids that no other answer has."""
    numbers = itertools.count()
    return Poll(
        [voter for party in parties for voter in party.voters],
        rules,
        call_id=lambda: f"call_{secrets.token_hex(11)}{next(numbers):02x}",
    )


def by_leader(
    question: Question, parties: Sequence[Party], poll: Poll, *, note: str | None = None
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer that one of all workers gives.

    It goes on alone, so each worker is a proposal that can be cancelled by itself.
    """
    clock = asyncio.get_running_loop().time
    alone = [replace(party, voters=[voter]) for party in parties for voter in party.voters]
    proposals = _proposals(question, alone, poll.rules.deadline_s, live=True)
    names = [party.voters[0].id for party in alone]
    return led(poll, dict(zip(names, proposals, strict=True)), clock=clock, note=note)


def by_vote(
    question: Question,
    parties: Sequence[Party],
    poll: Poll,
    *,
    n: int = 1,
    judge: Judging | None = None,
    note: str | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer on which all workers of all parties vote; the `n` best are given."""
    clock = asyncio.get_running_loop().time
    ids = [[voter.id for voter in party.voters] for party in parties]
    proposals = _proposals(question, parties, poll.rules.deadline_s, live=False)
    course = collect(poll, proposals, ids, clock=clock)
    pick = judge.pick if judge else None
    parts = voted(poll, course, n=n, clock=clock, judge=pick, note=note)
    return judge.counted(parts) if judge else parts


def _proposals(
    question: Question, parties: Sequence[Party], remaining_s: float, *, live: bool
) -> list[AsyncGenerator[list[Heard]]]:
    """Every party asked for its voters' answers, each voter with a seed of its own."""
    proposals: list[AsyncGenerator[list[Heard]]] = []
    before = 0
    for party in parties:
        ids = [voter.id for voter in party.voters]
        asked = replace(_seeded(question, before), model=party.model)
        told = party.proposer.propose(asked, len(ids), remaining_s=remaining_s, live=live)
        proposals.append(as_heard(told, ids))
        before += len(ids)
    return proposals


def _seeded(question: Question, at: int) -> Question:
    """The same question with the seed of the `at`-th voter, from which an engine counts on."""
    seed = question.sampling.seed
    if seed is None or not at:
        return question
    return replace(question, sampling=replace(question.sampling, seed=seed + at))


def log_verdict(label: str, verdict: Verdict) -> None:
    """One line for each verdict; an answer that failed has another (`note_failure`)."""
    logger.info(
        "%s: %s, worker %s of %d, %s, support %.0f %%, %d abstained, %d cancelled, %.1f tokens/s%s",
        label,
        verdict.strategy,
        verdict.winner,
        verdict.asked,
        verdict.decided_by,
        100 * verdict.support,
        verdict.abstained,
        verdict.cancelled,
        verdict.tokens_per_s,
        f" ({verdict.note})" if verdict.note else "",
    )
