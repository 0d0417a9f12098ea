"""Who answers a chat request now, and the parts of what they answer by vote."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Self

from aiohttp import web

from api.context import CALLER, PEERS, POOL, VERDICTS, request_label, watched
from api.counted import CountedProposer
from api.openai.rules import rules_of
from api.openai.translate import ChatAsk
from swarm.answer import JUDGE_S, Part
from swarm.ask_again import ASK_AGAIN_S, with_call
from swarm.engines.sampling import LEAST_TEMPERATURE
from swarm.errors import InvalidRequest
from swarm.ids import asks_one_worker, base_id
from swarm.pool import Pool
from swarm.propose import OwnProposer
from swarm.proposer import Told
from swarm.seats import Seats
from swarm.team import Team, alone, strongest_alone, team
from swarm.types import Constraint, Message, Question, SamplingParams, Verdict
from swarm.vote import Judging, Party, by_leader, by_vote, log_verdict, poll_of


@dataclass(frozen=True, slots=True)
class Panel:
    """The workers that answer, here or elsewhere: as many as the request needs."""

    request: web.Request
    ask: ChatAsk
    team: Team
    parties: Sequence[Party]
    own: OwnProposer
    one_worker_here: bool

    @classmethod
    @contextmanager
    def of(cls, request: web.Request, ask: ChatAsk) -> Generator[Self]:
        """The panel, with the sequences of its workers here held for it until it is left.

        Raises UnknownModel or EngineNotReady where nobody can answer, Overloaded where too few are
        free, InvalidRequest.
        """
        pool = request.app[POOL]
        beside = () if _one_asked(ask) else pool.weighed_beside(base_id(ask.model))
        own = OwnProposer(pool, watch=partial(watched, request))
        peers = [CountedProposer(peer, request[CALLER]) for peer in request.app[PEERS]()]
        seats = Seats.of(ask.model, own, peers, beside=beside)
        chosen = _team(pool, ask, seats)
        one_worker_here = (
            chosen.size == 1 and bool(chosen.counts[0]) and seats.all[0].own and _is_held(pool, ask)
        )
        sequences = ask.n if one_worker_here else 1
        reserved = [
            (seat.offer.model, count * sequences)
            for seat, count in zip(seats.all, chosen.counts, strict=True)
            if seat.own
        ]
        with own.keeping(reserved):
            parties = seats.parties(chosen, pool.weights)
            yield cls(request, ask, chosen, parties, own, one_worker_here)

    @property
    def model(self) -> str:
        """The model that the first of them answers with."""
        return self.parties[0].voters[0].model

    def parts(self) -> AsyncGenerator[list[Part]]:
        """Let the workers vote, or one lead; several choices are the best distinct answers."""
        ask, question = self.ask, self.ask.question
        patience_s = self.request.app[POOL].weights.patience_s
        rules = rules_of(ask.vote, question, patience_s=patience_s, n=ask.n, streamed=ask.stream)
        if ask.n > 1:
            _must_give_several(self.team, rules.strategy, ask.n)
        poll, note = poll_of(self.parties, rules), self.team.note
        if self.team.size == 1 or rules.strategy == "leader":
            return by_leader(question, self.parties, poll, note=note)
        first = self.parties[0]
        judge = None
        if rules.strategy == "judge":
            judge = Judging(partial(_ask_judge, first, question), seed=rules.seed)
        parts = by_vote(question, self.parties, poll, n=ask.n, judge=judge, note=note)
        if not _may_lack_call(ask):
            return parts
        clock = asyncio.get_running_loop().time
        return with_call(parts, poll, question, partial(_ask_again, first), clock=clock)

    def tell(self, verdict: Verdict | None) -> None:
        """The verdict to the log and the diagnostics, the win to the node that it came from."""
        if verdict is None:
            return
        log_verdict(request_label(self.request), verdict)
        self.request.app[VERDICTS].append({"at": round(time.time(), 1), **asdict(verdict)})
        for party in self.parties:
            if any(voter.id == verdict.winner for voter in party.voters):
                party.proposer.won()


def _is_held(pool: Pool, ask: ChatAsk) -> bool:
    """Whether this model's answers are valid without a check. Several choices are never checked:
    nobody could lead.
    """
    return ask.n > 1 or pool.resolve(ask.model).engine.info.ensures(ask.question.constraint)


def _must_give_several(team: Team, strategy: str, n: int) -> None:
    if strategy in ("leader", "first"):
        raise InvalidRequest(f"{strategy} gives one answer, not {n}", param="n")
    if team.size == 1:
        raise InvalidRequest(f"one worker of a peer gives one answer, not {n}", param="n")


def _one_asked(ask: ChatAsk) -> bool:
    """Whether the id asks for one worker, and the request for nothing else."""
    wishes = ask.vote
    more = wishes.voters != 1 and (wishes.voters or wishes.strategy or wishes.stream)
    return asks_one_worker(ask.model) and not more


def _team(pool: Pool, ask: ChatAsk, seats: Seats) -> Team:
    """How many workers of each seat answer."""
    if _one_asked(ask):
        return alone(seats.all, ask.n)
    temperature = ask.question.sampling.temperature
    if seats.all[0].own:
        temperature = pool.resolve(ask.model).engine.info.temperature(temperature)
    likeliest = temperature is not None and temperature < LEAST_TEMPERATURE
    whole_team = team(seats.all, ask.vote.voters, temperature_0=likeliest, n=ask.n)
    if ask.vote.voters is None and ask.vote.strategy in (None, "auto") and ask.n == 1:
        return strongest_alone(seats.all, whole_team, pool.weights)
    return whole_team


def _may_lack_call(ask: ChatAsk) -> bool:
    """Whether one more worker is asked for a call that an answer in words should have been."""
    free = ask.question.constraint.schema is None
    return bool(ask.vote.ask_again) and bool(ask.question.tools) and free and ask.n == 1


def _ask_again(worker: Party, held: Question) -> AsyncGenerator[list[Told]]:
    """The question once more, to one worker."""
    asked = replace(held, model=worker.model)
    return worker.proposer.propose(asked, 1, remaining_s=ASK_AGAIN_S, live=False)


_JUDGE_TOKENS = 1024
"""A judge writes at most this many: its number is one or two, the rest is for a model that thinks
whatever it is asked."""


def _ask_judge(judge: Party, question: Question, about: str) -> AsyncGenerator[list[Told]]:
    """One worker's opinion on the candidates, held to nothing that their form was."""
    asked = replace(
        question,
        model=judge.model,
        messages=(*question.messages, Message("user", about)),
        tools=(),
        constraint=Constraint(),
        template_options={**question.template_options, "enable_thinking": False},
        sampling=SamplingParams(temperature=0, max_tokens=_JUDGE_TOKENS),
    )
    return judge.proposer.propose(asked, 1, remaining_s=JUDGE_S, live=False)
