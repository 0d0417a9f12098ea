"""The deadline of an answer that one worker gives."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import openai
import pytest

from api.openai.in_time import CutShort, in_time
from swarm.chat.calls import Call
from swarm.engines.base import Accepted, Delta, Event, Finished, Started
from swarm.errors import GenerationFailed
from tests.api.conftest import StartNode
from tests.fakes import FakeEngine

HELLO: Any = [{"role": "user", "content": "hello"}]
ENDLESS = ["word "] * 100_000
SOON: Any = {"swarm": {"deadline_s": 0.3}}


async def said(*steps: list[Event], hangs: bool) -> AsyncGenerator[list[Event]]:
    for step in steps:
        yield step
    if hangs:
        await asyncio.Event().wait()


async def heard(*steps: list[Event], n: int = 1, hangs: bool = True) -> list[Event]:
    events = in_time(said(*steps, hangs=hangs), n, 0.02)
    return [event async for step in events for event in step]


async def test_what_ends_in_time_is_left_as_it_is() -> None:
    steps: list[Event] = [
        Accepted(3),
        Started(3, 0),
        Delta(0, "a", 1),
        Finished(0, "stop", 1, 1, 1),
    ]
    assert await heard(*([event] for event in steps), hangs=False) == steps


async def test_only_what_still_runs_is_cut() -> None:
    whole = Finished(1, "stop", 1, 0.1, 0.1)
    *_, first, third = await heard(
        [Started(3, 0)], [Delta(0, "a", 1), Delta(1, "b", 1)], [Delta(0, "c", 2), whole], n=3
    )
    assert isinstance(first, CutShort)
    assert isinstance(third, CutShort)
    assert (first.index, first.reason, first.completion_tokens) == (0, "length", 3)
    assert (third.index, third.completion_tokens) == (2, 0)


async def test_where_nothing_was_said_it_is_an_error() -> None:
    with pytest.raises(GenerationFailed, match="within"):
        await heard([Accepted(3)], [Started(3, 0)])


async def test_a_call_that_is_still_being_written_is_nothing_said() -> None:
    with pytest.raises(GenerationFailed, match="within"):
        await heard([Started(3, 0)], [Delta(0, "", 1)])
    *_, end = await heard([Delta(0, "", 1)], [Delta(0, "", 0, calls=(Call("list", "{}"),))])
    assert isinstance(end, CutShort)


async def test_a_timeout_of_the_engines_own_is_no_deadline() -> None:
    async def broken() -> AsyncGenerator[list[Event]]:
        yield [Delta(0, "a", 1)]
        raise TimeoutError

    with pytest.raises(TimeoutError):
        [step async for step in in_time(broken(), 1, 60)]


@pytest.mark.parametrize(
    "asked",
    [
        {"model": "swarm-fast"},
        {"temperature": 0},
        {"temperature": 0.8, "extra_body": {"swarm": {"voters": 1, "deadline_s": 0.3}}},
    ],
)
async def test_one_worker_ends_at_the_deadline_as_far_as_it_came(
    start_node: StartNode, asked: Any
) -> None:
    asked = {"model": "swarm", "messages": HELLO, "extra_body": SOON, **asked}
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.01), usual_workers=3) as node:
        create: Any = node.sdk.chat.completions.create
        whole = await create(**asked)
        chunks = [chunk async for chunk in await create(**asked, stream=True)]
        assert (node.engine.running, node.pool.in_flight) == (0, 0)
    assert whole.choices[0].message.content.startswith("word word")
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == whole.choices[0].message.content.count("word")
    assert whole.usage.swarm["decided_by"] == "deadline"
    assert chunks[-1].choices[0].finish_reason == "length"
    assert chunks[-1].swarm["decided_by"] == "deadline"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_worker_that_has_said_nothing_by_then_is_an_error(
    start_node: StartNode, stream: bool
) -> None:
    async with start_node(FakeEngine(prefill_s=30)) as node:

        async def ask() -> None:
            create: Any = node.sdk.chat.completions.create
            asked = {"model": "swarm", "messages": HELLO, "extra_body": SOON}
            async for _ in await create(**asked, stream=stream):
                pass

        with pytest.raises(openai.APIError, match="within"):
            await ask()
        assert node.engine.running == 0
