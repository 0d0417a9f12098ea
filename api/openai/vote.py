"""A chat request put to the vote of this node's workers."""

import asyncio
import hashlib
import itertools
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from api.openai.schema import VoteBody
from swarm.answer import Judge, Part, voted
from swarm.chat.arguments import checks_of
from swarm.chat.completion import CompletionParser
from swarm.collect import Poll, Rules, as_heard, collect
from swarm.consensus.canonical import Reading
from swarm.consensus.judge import order_of, picked, question
from swarm.consensus.stopping import Decide
from swarm.consensus.tally import Voter
from swarm.consensus.validity import not_json
from swarm.engines.base import Delta, Event
from swarm.lead import led
from swarm.types import Candidate, Prompt, ToolSpec, Verdict
from swarm.workers import Crew, temperatures

logger = logging.getLogger(__name__)

_DEADLINE_S = 300.0


def rules_of(wishes: VoteBody, prompt: Prompt, tools: Sequence[ToolSpec]) -> Rules:
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
        checks=checks_of(tools),
        schemas={tool.name: tool.parameters for tool in tools},
        wanted=not_json if reading == "json" else None,
    )


def by_vote(
    prompt: Prompt,
    generate: Callable[[Prompt], AsyncGenerator[list[Event]]],
    rules: Rules,
    crew: Crew,
    *,
    parser: Callable[[], CompletionParser],
    model: str,
    base_temperature: float,
    leader: bool = False,
    judge: Judge | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer that this node's workers vote on; `prompt.n` best are given."""
    clock = asyncio.get_running_loop().time
    ids = [f"{at}" for at in range(crew.size)]
    voters = [Voter(name, model=model) for name in ids]
    numbers = itertools.count()
    poll = Poll(
        voters,
        rules,
        parser=parser,
        call_id=lambda: f"call_{secrets.token_hex(11)}{next(numbers):02x}",
    )
    spread = temperatures(base_temperature, crew.size)
    if leader:
        # The leader goes on alone, so each worker is a request that can be cancelled by itself.
        alone = [replace(prompt, n=1, temperatures=(warmth,)) for warmth in spread]
        proposals = {
            name: as_heard(generate(_seeded(draws, at)), [name])
            for at, (name, draws) in enumerate(zip(ids, alone, strict=True))
        }
        return led(poll, proposals, clock=clock, note=crew.note)
    draws = replace(prompt, n=crew.size, temperatures=spread)
    course = collect(poll, [as_heard(generate(draws), ids)], [ids], clock=clock)
    return voted(poll, course, n=prompt.n, clock=clock, judge=judge, note=crew.note)


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
