"""A chat request put to the vote of all workers that can answer it."""

import asyncio
import hashlib
import itertools
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from api.openai.schema import VoteBody
from swarm.answer import Part, voted
from swarm.arrivals import Heard, as_heard
from swarm.ask_again import ASK_AGAIN_S, with_call
from swarm.chat.arguments import check_of, checks_of
from swarm.chat.completion import Text
from swarm.collect import Poll, Rules, collect
from swarm.consensus.canonical import Reading
from swarm.consensus.judge import order_of, picked, question
from swarm.consensus.stopping import Decide
from swarm.consensus.tally import Voter
from swarm.consensus.validity import not_json
from swarm.lead import led
from swarm.proposer import Proposer, Said, Told
from swarm.types import Candidate, Question, Verdict

logger = logging.getLogger(__name__)

LONGEST_S = 3600.0
"""The longest that a request may ask for: on a slow machine a long file takes many minutes."""


def rules_of(wishes: VoteBody, question: Question, *, patience_s: float, n: int = 1) -> Rules:
    """The rules of a vote. Strategies that only choose when to stop read texts as `auto` does.

    For several choices all are waited for: what proves the first says nothing of the others.
    Ties are broken by the request itself: the same request breaks them alike.
    """
    held = question.constraint
    strategy = "leader" if wishes.stream == "leader" else wishes.strategy or "auto"
    reading: Reading = "auto"
    decide: Decide = wishes.decide or "exact"
    match strategy:
        case "first" | "best":
            decide = strategy
        case "judge":
            decide = "all"
        case "exact" | "json" | "code" | "medoid":
            reading = strategy
        case _:
            reading = "auto" if held.schema is None else "json"
    wanted = not_json if reading == "json" else None
    if held.schema is not None:
        wanted = check_of(json.loads(held.schema), "response_format.json_schema.schema")
    return Rules(
        seed=hashlib.sha256(repr((question.sampling.seed, question.messages)).encode()).hexdigest(),
        strategy=strategy,
        reading=reading,
        decide="all" if n > 1 else decide,
        deadline_s=wishes.deadline_s or LONGEST_S,
        patience_s=patience_s,
        hurried=bool(question.tools),
        checks=checks_of(held.callable_of(question.tools)),
        schemas={tool.name: tool.parameters for tool in question.tools},
        wanted=wanted,
        must_call=held.must_call,
        stops=bool(question.sampling.stop),
    )


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


def by_vote(
    question: Question,
    parties: Sequence[Party],
    rules: Rules,
    *,
    n: int = 1,
    leader: bool = False,
    judge: Judging | None = None,
    ask_again: bool = False,
    note: str | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer on which all workers of all parties vote; the `n` best are given.

    With `ask_again` a text that lacks a call is followed by one, where a worker makes one. A leader
    goes on alone, so there each worker is a proposal that can be cancelled by itself.
    """
    clock = asyncio.get_running_loop().time
    numbers = itertools.count()
    poll = Poll(
        [voter for party in parties for voter in party.voters],
        rules,
        call_id=lambda: f"call_{secrets.token_hex(11)}{next(numbers):02x}",
    )
    if leader:
        alone = [replace(party, voters=[voter]) for party in parties for voter in party.voters]
        proposals = _proposals(question, alone, rules.deadline_s, live=True)
        names = [party.voters[0].id for party in alone]
        return led(poll, dict(zip(names, proposals, strict=True)), clock=clock, note=note)
    ids = [[voter.id for voter in party.voters] for party in parties]
    proposals = _proposals(question, parties, rules.deadline_s, live=False)
    course = collect(poll, proposals, ids, clock=clock)
    pick = judge.pick if judge else None
    parts = voted(poll, course, n=n, clock=clock, judge=pick, note=note)
    if judge:
        parts = judge.counted(parts)
    if not (ask_again and question.tools and n == 1 and question.constraint.schema is None):
        return parts
    first = parties[0]

    def ask(held: Question) -> AsyncGenerator[list[Told]]:
        asked = replace(held, model=first.model)
        return first.proposer.propose(asked, 1, remaining_s=ASK_AGAIN_S, live=False)

    return with_call(parts, poll, question, ask, clock=clock)


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


def log_verdict(label: str, verdict: Verdict | None) -> None:
    """One line for each verdict; an answer that failed has another (`note_failure`)."""
    if verdict is None:
        return
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
