"""A chat request put to the vote of this node's workers."""

import asyncio
import hashlib
import itertools
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from api.openai.schema import VoteBody
from swarm.answer import Judge, Part, voted
from swarm.chat.arguments import checks_of
from swarm.chat.completion import CompletionParser
from swarm.collect import Heard, Poll, Rules, as_heard, collect
from swarm.consensus.canonical import Reading
from swarm.consensus.judge import order_of, picked, question
from swarm.consensus.stopping import Decide
from swarm.consensus.tally import Voter
from swarm.consensus.validity import not_json
from swarm.engines.base import Delta, Event
from swarm.lead import led
from swarm.pool import Seats
from swarm.types import Candidate, Prompt, ToolSpec, Verdict
from swarm.workers import temperatures

logger = logging.getLogger(__name__)

_DEADLINE_S = 300.0


def rules_of(
    wishes: VoteBody, prompt: Prompt, tools: Sequence[ToolSpec], *, patience_s: float
) -> Rules:
    """The rules of a vote. Strategies that only choose when to stop read texts as `auto` does.

    Ties are broken by the request itself: the same request breaks them alike.
    """
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
            pass
    return Rules(
        seed=hashlib.sha256(f"{prompt.sampling.seed} {prompt.text}".encode()).hexdigest(),
        strategy=strategy,
        reading=reading,
        decide=decide,
        deadline_s=wishes.deadline_s or _DEADLINE_S,
        patience_s=patience_s,
        hurried=bool(tools),
        checks=checks_of(tools),
        schemas={tool.name: tool.parameters for tool in tools},
        wanted=not_json if reading == "json" else None,
    )


@dataclass(frozen=True, slots=True)
class Team:
    """The workers of one model: what they are asked, and how their answers are got and read."""

    seats: Seats
    prompt: Prompt
    temperature: float
    generate: Callable[[Prompt], AsyncGenerator[list[Event]]]
    parser: Callable[[], CompletionParser]


def by_vote(
    teams: Sequence[Team],
    rules: Rules,
    *,
    n: int = 1,
    leader: bool = False,
    judge: Judge | None = None,
    note: str | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer that this node's workers vote on; the `n` best are given."""
    clock = asyncio.get_running_loop().time
    numbers = itertools.count()
    seated = _seated(teams)
    readers = {voter.id: team.parser for team, voters in seated for voter in voters}
    poll = Poll(
        [voter for _, voters in seated for voter in voters],
        rules,
        parser=lambda voter: readers[voter.id](),
        call_id=lambda: f"call_{secrets.token_hex(11)}{next(numbers):02x}",
    )
    if leader:
        proposals = {name: one for team, voters in seated for name, one in _alone(team, voters)}
        return led(poll, proposals, clock=clock, note=note)
    ids = [[voter.id for voter in voters] for _, voters in seated]
    proposed = [
        as_heard(team.generate(_drawn(team)), names)
        for (team, _), names in zip(seated, ids, strict=True)
    ]
    course = collect(poll, proposed, ids, clock=clock)
    return voted(poll, course, n=n, clock=clock, judge=judge, note=note)


def _seated(teams: Sequence[Team]) -> list[tuple[Team, list[Voter]]]:
    """The voters of each team, numbered from 0 on over all of them."""
    numbers = itertools.count()
    return [
        (
            team,
            [
                Voter(f"{next(numbers)}", model=team.seats.model.id, weight=team.seats.weight)
                for _ in range(team.seats.size)
            ],
        )
        for team in teams
    ]


def _drawn(team: Team) -> Prompt:
    """One prompt for all workers of the team."""
    size = team.seats.size
    return replace(team.prompt, n=size, temperatures=temperatures(team.temperature, size))


def _alone(team: Team, voters: list[Voter]) -> list[tuple[str, AsyncGenerator[list[Heard]]]]:
    """A request for each worker: a leader goes on alone, so each can be cancelled by itself."""
    spread = temperatures(team.temperature, team.seats.size)
    alone = [replace(team.prompt, n=1, temperatures=(warmth,)) for warmth in spread]
    return [
        (voter.id, as_heard(team.generate(_seeded(draws, at)), [voter.id]))
        for at, (voter, draws) in enumerate(zip(voters, alone, strict=True))
    ]


async def judged(
    candidates: list[Candidate],
    ask: Callable[[str], AsyncGenerator[list[Event]]],
    *,
    seed: str,
) -> int | None:
    """Which candidate one worker prefers, by its place; `ask` puts a question to it."""
    order = order_of(len(candidates), seed)
    reply = ""
    async with aclosing(ask(question([candidates[at] for at in order]))) as events:
        async for step in events:
            reply += "".join(event.text for event in step if isinstance(event, Delta))
    place = picked(reply, len(order))
    return None if place is None else order[place]


def _seeded(prompt: Prompt, at: int) -> Prompt:
    """The same prompt with the seed that the engine would give its `at`-th sequence."""
    seed = prompt.sampling.seed
    if seed is None:
        return prompt
    return replace(prompt, sampling=replace(prompt.sampling, seed=seed + at))


def log_verdict(label: str, verdict: Verdict | None) -> None:
    """One line for each verdict; an answer that failed has none."""
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
