"""A vote that a judge decides, through the door."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from swarm.engines.base import Event
from swarm.errors import ContextOverflow, EngineLost, Overloaded, SwarmError
from swarm.types import Prompt
from tests.api.conftest import StartNode
from tests.api.voters import HELLO, READ, Voters


async def test_a_judge_picks_and_the_count_decides_where_it_picks_none(
    start_node: StartNode,
) -> None:
    class Judged(Voters):
        reply = "2"

        async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
            if prompt.n == 1:
                self.scripts = (self.reply,)
            async for step in super().generate(prompt):
                yield step

    async def ask(engine: Judged) -> Any:
        async with start_node(engine, usual_workers=3) as node:
            return await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, temperature=0.8,
                extra_body={"swarm": {"strategy": "judge"}},
            )  # fmt: skip

    engine = Judged("Answer: 1", "Answer: 1", "Answer: 2")
    said = await ask(engine)
    shown = str(engine.prompts[1].text)
    assert said.usage.swarm["decided_by"] == "judge"
    assert said.usage.swarm["strategy"] == "judge"
    voters = sum(worker["tokens"] for worker in said.usage.swarm["workers"])
    assert said.usage.swarm["generated_tokens"] == voters + 1  # the judge's own
    assert shown.index(said.choices[0].message.content) > shown.index("Answer 2:")
    none = Judged("Answer: 1", "Answer: 1", "Answer: 2")
    none.reply = "I cannot say"
    said = await ask(none)
    assert said.choices[0].message.content == "Answer: 1"
    assert said.usage.swarm["decided_by"] == "all"


class Asked(Voters):
    """Voters, one of whom is asked for its opinion on their answers."""

    def __init__(self, *scripts: str, error: SwarmError | None = None) -> None:
        super().__init__(*scripts)
        self.failure = error

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        if prompt.n == 1:
            self.scripts = ("2",)
            if self.failure is not None:
                raise self.failure
        async for step in super().generate(prompt):
            yield step


@pytest.mark.parametrize("error", [ContextOverflow(9, 8), EngineLost("gone"), Overloaded("busy")])
async def test_a_judge_that_fails_costs_no_answer(start_node: StartNode, error: SwarmError) -> None:
    engine = Asked("Answer: 1", "Answer: 1", "Answer: 2", error=error)
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"strategy": "judge"}},
        )  # fmt: skip
    assert said.choices[0].message.content == "Answer: 1"
    assert "judge" in said.usage.swarm["note"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("scripts", "form"),
    [
        (('{"a": 1}', '{"a": 2}'), {"response_format": {"type": "json_object"}}),
        (
            (
                '<tool_call>{"name": "read", "arguments": {"path": "a"}}|</tool_call>',
                '<tool_call>{"name": "read", "arguments": {"path": "b"}}|</tool_call>',
            ),
            {"tools": [READ], "tool_choice": "required"},
        ),
    ],
    ids=["form", "call"],
)
async def test_a_judge_is_not_held_to_the_form_of_the_answers(
    start_node: StartNode, scripts: tuple[str, ...], form: Any
) -> None:
    engine = Asked(*scripts)
    async with start_node(engine, usual_workers=2) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"strategy": "judge"}}, **form,
        )  # fmt: skip
    assert said.usage.swarm["decided_by"] == "judge"
    assert [prompt.grammar is None for prompt in engine.prompts] == [False, True]


async def test_a_judge_that_thinks_has_room_for_it(start_node: StartNode) -> None:
    class Thinks(Voters):
        async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
            if prompt.n == 1:
                words = ("<think>", *["well "] * 40, "</think>", "2")
                self.scripts = ("|".join(words[: prompt.sampling.max_tokens]),)
            async for step in super().generate(prompt):
                yield step

    async with start_node(Thinks("Answer: 1", "Answer: 2"), usual_workers=2) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"strategy": "judge"}},
        )  # fmt: skip
    assert said.usage.swarm["decided_by"] == "judge"
