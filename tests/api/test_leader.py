"""An answer by a leader, through the door."""

from collections.abc import AsyncGenerator

from swarm.engines.base import Event
from swarm.types import Prompt
from tests.api.conftest import StartNode
from tests.api.voters import HELLO, READ, Voters


async def test_a_leader_streams_and_the_others_are_cancelled(start_node: StartNode) -> None:
    engine = Voters("one |two |three |four", step_s=0.01)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=True,
            extra_body={"swarm": {"strategy": "leader"}},
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
    texts = [chunk.choices[0].delta.content for chunk in chunks]
    assert [text for text in texts if text] == ["one ", "two ", "three ", "four"]
    assert engine.cancelled == 2
    told = chunks[-1].swarm  # type: ignore[attr-defined]
    assert (told["decided_by"], told["support"]) == ("leader", 1.0)
    states = {worker["voter"]: worker["state"] for worker in told["workers"]}
    assert [voter for voter in states if states[voter] == "valid"] == [told["winner"]]


async def test_a_leader_streams_its_calls_as_it_writes_them(start_node: StartNode) -> None:
    call = '<tool_call>{"name": "read", |"arguments": {"path": |"a"}}|</tool_call>'
    engine = Voters(call, step_s=0.01)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[READ], stream=True,
            extra_body={"swarm": {"stream": "leader"}},
        )  # fmt: skip
        said = [chunk async for chunk in stream]
    calls = [call for chunk in said for call in chunk.choices[0].delta.tool_calls or ()]
    assert [call.function.name for call in calls if call.function] == ["read", None, None]
    assert "".join(call.function.arguments or "" for call in calls if call.function) == (
        '{"path": "a"}'
    )
    assert said[-1].swarm["strategy"] == "leader"  # type: ignore[attr-defined]
    assert said[-1].choices[0].finish_reason == "tool_calls"


async def test_a_leader_is_of_the_kind_that_most_have_begun(start_node: StartNode) -> None:
    call = '<tool_call>{"name": "read", |"arguments": {"path": "a"}}|</tool_call>'

    class Mixed(Voters):
        async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
            self.scripts = ("I will |not.",) if prompt.sampling.seed == 7 else (call,)
            async for step in super().generate(prompt):
                yield step

    async with start_node(Mixed(step_s=0.01), usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, seed=7, tools=[READ],
            extra_body={"swarm": {"strategy": "leader"}},
        )  # fmt: skip
    assert said.choices[0].finish_reason == "tool_calls"
    assert said.usage.swarm["winner"] in ("1", "2")  # type: ignore[union-attr]
