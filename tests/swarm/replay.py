"""Votes on answers that were given before: each is spoken again by a voter of its own."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from fractions import Fraction
from typing import Any

from swarm.answer import End, Part, Say, voted
from swarm.arrivals import Heard
from swarm.chat.completion import CompletionParser
from swarm.chat.formats.canonical import CALL_CLOSE, CALL_OPEN, CallParser
from swarm.collect import Poll, Rules, collect
from swarm.consensus.tally import Voter
from swarm.engines.base import Delta, Finished
from swarm.lead import led
from swarm.propose import Reader
from swarm.proposer import Began
from swarm.types import Candidate, ToolCall, Verdict


def as_candidate(answer: dict[str, Any]) -> Candidate:
    calls = tuple(ToolCall(**call) for call in answer["tool_calls"])
    return Candidate(answer["voter"], answer["text"], calls, finish=answer["finish"])


def as_written(answer: Candidate) -> str:
    """What the model has written, marks included."""
    calls = [
        f'{CALL_OPEN}{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}{CALL_CLOSE}'
        for call in answer.tool_calls
    ]
    return "\n".join(filter(None, [answer.text, *calls]))


async def replayed(
    answers: Sequence[Candidate],
    *,
    order: Sequence[int] | None = None,
    weights: Sequence[int] = (),
    leader: bool = False,
    judge: Any = None,
    **rules: Any,
) -> tuple[Candidate, Verdict]:
    """The winner and the verdict. Answers are through in this order; by default in their own."""
    voters = [
        Voter(f"{at}", weight=Fraction(weights[at] if weights else 1)) for at in range(len(answers))
    ]
    poll = Poll(
        voters,
        Rules(seed="s", **rules),
        call_id=lambda: "id",
    )
    ids = [voter.id for voter in voters]
    if leader:
        each = {ids[at]: _spoken(answers, [at]) for at in range(len(answers))}
        parts = [part async for step in led(poll, each, clock=_still) for part in step]
    else:
        spoken = _spoken(answers, order or range(len(answers)))
        course = collect(poll, [spoken], [ids], clock=_still)
        steps = voted(poll, course, clock=_still, judge=judge)
        parts = [part async for step in steps for part in step]
    return _winner(parts, poll), _verdict(parts)


def _still() -> float:
    return 0.0


async def _spoken(
    answers: Sequence[Candidate], order: Sequence[int]
) -> AsyncGenerator[list[Heard]]:
    yield [(f"{at}", Began(5, 0)) for at in order]
    for at in order:
        await asyncio.sleep(0)
        answer = answers[at]
        reason = "stop" if answer.finish == "tool_calls" else answer.finish
        reader = Reader(CompletionParser(CallParser()))
        written = reader.read(Delta(0, as_written(answer), 1))
        yield [(f"{at}", news) for news in written]
        yield [(f"{at}", news) for news in reader.read(Finished(0, reason, 1, 0.1, 0.2))]


def _winner(parts: list[Part], poll: Poll) -> Candidate:
    [end] = [part for part in parts if isinstance(part, End)]
    assert any(isinstance(part, Say) for part in parts)
    candidate = poll.drafts[end.draft.voter.id].candidate
    assert candidate is not None
    return candidate


def _verdict(parts: list[Part]) -> Verdict:
    assert isinstance(parts[-1], Verdict)
    return parts[-1]
