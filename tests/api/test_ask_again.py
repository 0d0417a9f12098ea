"""One more question after a vote whose text lacks a call, through the door."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from swarm.engines.base import Event
from swarm.types import Prompt
from tests.api.conftest import StartNode
from tests.api.voters import HELLO, Voters


class Explainers(Voters):
    """Voters who tell what to run, and call only when they must."""

    def __init__(self, *scripts: str, made: str) -> None:
        super().__init__(*scripts)
        self.made = made

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        grammar = prompt.grammar.lark if prompt.grammar else ""
        kept, self.scripts = self.scripts, self.scripts
        if "start: (SPACE? (mark_0" in grammar:
            self.scripts = (self.made,)
        async for step in super().generate(prompt):
            yield step
        self.scripts = kept


BASH: Any = {
    "type": "function",
    "function": {
        "name": "bash",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
    },
}
RUN = "Run this:|\n```bash\nls\n```\n"
LS = '<tool_call>{"name": "bash", "arguments": {"command": "ls"}}|</tool_call>'


async def test_a_text_that_tells_what_to_run_is_followed_by_the_call(
    start_node: StartNode,
) -> None:
    async with start_node(Explainers(RUN, RUN, RUN, made=LS), usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[BASH], stream=True,
            extra_body={"swarm": {"ask_again": True}},
        )  # fmt: skip
        deltas = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in deltas)
    calls = [call for chunk in deltas for call in chunk.choices[0].delta.tool_calls or ()]
    assert text.startswith("Run this:")
    assert [json.loads(call.function.arguments) for call in calls] == [{"command": "ls"}]
    assert deltas[-1].choices[0].finish_reason == "tool_calls"
    assert "asked again" in deltas[-1].swarm["note"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("made", ["No.", LS.replace("bash", "rm"), LS.replace('"ls"', "5")])
async def test_where_asking_again_gives_no_valid_call_the_text_stands(
    start_node: StartNode, made: str
) -> None:
    async with start_node(Explainers(RUN, RUN, RUN, made=made), usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[BASH],
            extra_body={"swarm": {"ask_again": True}},
        )  # fmt: skip
    assert said.choices[0].finish_reason == "stop"
    assert said.choices[0].message.tool_calls is None


async def test_nobody_is_asked_again_unless_that_is_wished(start_node: StartNode) -> None:
    async with start_node(Explainers(RUN, RUN, RUN, made=LS), usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[BASH]
        )
    assert said.choices[0].message.tool_calls is None
    assert len(node.engine.prompts) == 1
