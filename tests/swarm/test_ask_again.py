"""One more question, for a call, within the time of the request."""

import asyncio
from collections.abc import AsyncGenerator

from swarm.answer import End, Part, Say
from swarm.ask_again import with_call
from swarm.chat.completion import Text
from swarm.collect import Draft, Poll, Rules
from swarm.consensus.tally import Voter
from swarm.proposer import Told
from swarm.types import Message, Question, SamplingParams, ToolSpec

PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}}
QUESTION = Question(
    "fake",
    (Message("user", "List the files."),),
    SamplingParams(),
    (ToolSpec("bash", "", PARAMETERS),),
)
TEXT = "Run this:\n```bash\nls\n```\n"


async def told(voter: Voter) -> AsyncGenerator[list[Part]]:
    draft = Draft(voter, "valid", text=TEXT)
    yield [Say(0, Text(TEXT)), End(0, "stop", draft)]


async def parts_within(seconds: float, spent_s: float = 0.0) -> tuple[list[Part], list[str]]:
    """All parts where the worker that is asked again says nothing, and what became of it."""
    voter, seen = Voter("v0"), list[str]()
    poll = Poll([voter], Rules(seed="s", deadline_s=seconds), call_id=str)
    times = iter([0.0])

    async def silent(_: Question) -> AsyncGenerator[list[Told]]:
        seen.append("asked")
        try:
            await asyncio.Event().wait()
            yield []
        finally:
            seen.append("closed")

    steps = with_call(
        told(voter), poll, QUESTION, silent, clock=lambda: next(times, spent_s)
    )  # the first look at the clock is when the request begins
    async with asyncio.timeout(10):
        return [part async for step in steps for part in step], seen


async def test_a_worker_that_is_asked_again_has_no_longer_than_the_request() -> None:
    parts, seen = await parts_within(0.02)
    assert seen == ["asked", "closed"]
    assert [part.reason for part in parts if isinstance(part, End)] == ["stop"]
    assert Say(0, Text(TEXT)) in parts


async def test_nobody_is_asked_again_when_the_time_is_over() -> None:
    parts, seen = await parts_within(5.0, spent_s=6.0)
    assert seen == []
    assert [part.reason for part in parts if isinstance(part, End)] == ["stop"]
