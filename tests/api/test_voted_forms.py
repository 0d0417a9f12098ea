"""Votes on calls and on JSON, through the door: what is held to a form, and what abstains."""

import json
from typing import Any

import pytest

from tests.api.conftest import StartNode
from tests.api.voters import HELLO, READ, Voters
from tests.fakes import FakeEngine


@pytest.mark.parametrize(
    ("said", "wishes"),
    [
        ('{"a": |8', {"stop": ["}"], "response_format": {"type": "json_object"}}),
        ("", {"stop": ["{"], "response_format": {"type": "json_object"}}),
        ('{"', {"stop": ["name"], "tools": [READ], "tool_choice": "required"}),
    ],
)
async def test_what_a_stop_string_cuts_is_the_answer_of_one_worker_and_of_a_vote(
    start_node: StartNode, said: str, wishes: Any
) -> None:
    async with start_node(Voters(said, said, said), usual_workers=3) as node:
        for model in ("swarm-fast", "swarm"):
            for n in (1, 2):
                answer = await node.sdk.chat.completions.create(
                    model=model, messages=HELLO, n=n, **wishes
                )
                told = [(choice.message.content, choice.finish_reason) for choice in answer.choices]
                assert told == [(said.replace("|", ""), "stop")] * n


async def test_voted_calls_go_out_whole_and_once(start_node: StartNode) -> None:
    call = '<tool_call>{"name": "read", "arguments": {"path": "%s"}}|</tool_call>'
    engine = Voters(call % "a", call % "a", "I will not|.", step_s=0.01)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[READ], stream=True
        )
        deltas = [chunk.choices[0] async for chunk in stream]
    calls = [call for choice in deltas for call in choice.delta.tool_calls or ()]
    assert [json.loads(call.function.arguments) for call in calls] == [{"path": "a"}]
    assert deltas[-1].finish_reason == "tool_calls"


async def test_where_json_is_wanted_other_texts_abstain(start_node: StartNode) -> None:
    engine = Voters("I cannot", "I cannot", '{"a": 1}')
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"strategy": "json"}},
        )  # fmt: skip
    assert said.choices[0].message.content == '{"a": 1}'
    assert said.usage.swarm["abstained"] == 2  # type: ignore[union-attr]


async def test_calls_that_were_all_cut_are_an_answer_all_the_same(start_node: StartNode) -> None:
    engine = FakeEngine(words=['<tool_call>{"name": "read", "arguments": ', '{"path": "', 'a"}}'])
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[READ], max_tokens=2
        )
    (choice,) = said.choices
    assert choice.finish_reason == "length"
    assert choice.message.tool_calls[0].function.arguments == '{"path": "'  # type: ignore


async def test_a_call_that_no_grammar_could_hold_abstains_and_is_no_text(
    start_node: StartNode,
) -> None:
    """As text it would vote: two that are wrong would outvote the one that is right."""
    ids = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    pick: Any = {
        "type": "function",
        "function": {"name": "pick", "parameters": {"properties": {"ids": ids}}},
    }
    call = '<tool_call>{"name": "pick", "arguments": {"ids": %s}}</tool_call>'
    engine = Voters(call % "[1, 1]", call % "[1, 1]", call % "[1, 2]")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[pick]
        )
    (choice,) = said.choices
    assert [json.loads(each.function.arguments) for each in choice.message.tool_calls or ()] == [  # type: ignore[union-attr]
        {"ids": [1, 2]}
    ]
    assert said.usage.swarm["abstained"] == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
async def test_a_call_that_nobody_made_right_comes_as_from_one_worker(
    start_node: StartNode, model: str
) -> None:
    unknown = '<tool_call>{"name": "remove", "arguments": {}}|</tool_call>'
    wrong = '<tool_call>{"name": "list", "arguments": {"ids": [1, 1]}}</tool_call>'
    schema = {"type": "object", "properties": {"ids": {"type": "array", "uniqueItems": True}}}
    tool: Any = {"type": "function", "function": {"name": "list", "parameters": schema}}
    given: list[Any] = []
    for script in (unknown, wrong):
        async with start_node(Voters(*[script] * 3), usual_workers=3) as node:
            said = await node.sdk.chat.completions.create(
                model=model, messages=HELLO, temperature=0.8, tools=[tool]
            )
        given.append(said.choices[0])
    (call,) = given[0].message.tool_calls
    assert (call.function.name, given[0].finish_reason) == ("remove", "tool_calls")
    assert (given[1].message.content, given[1].finish_reason) == (wrong, "stop")


async def test_a_required_call_is_voted_on_and_texts_abstain(start_node: StartNode) -> None:
    call = '<tool_call>{"name": "read", "arguments": {"path": "a"}}|</tool_call>'
    engine = Voters("I would|.", "I would|.", call)
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[READ], tool_choice="required"
        )
    assert said.choices[0].finish_reason == "tool_calls"
    assert said.usage.swarm["abstained"] == 2  # type: ignore[union-attr]


async def test_a_named_choice_lets_no_other_tool_win(start_node: StartNode) -> None:
    call = '<tool_call>{"name": "%s", "arguments": {"path": "a"}}|</tool_call>'
    engine = Voters(call % "write", call % "write", call % "read")
    write: Any = {"type": "function", "function": {**READ["function"], "name": "write"}}
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[READ, write],
            tool_choice={"type": "function", "function": {"name": "read"}},
        )  # fmt: skip
    (made,) = said.choices[0].message.tool_calls or ()
    assert made.function.name == "read"  # type: ignore[union-attr]
    assert engine.prompts[0].grammar is not None


async def test_a_response_format_is_the_rule_of_the_vote(start_node: StartNode) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    engine = Voters('{"b": 2}', '{"a": "2"}', '{"a": 1}')
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            response_format={
                "type": "json_schema", "json_schema": {"name": "a", "schema": schema}
            },
        )  # fmt: skip
    assert said.choices[0].message.content == '{"a": 1}'
    assert said.usage.swarm["abstained"] == 2  # type: ignore[union-attr]


async def test_without_tools_or_a_form_nothing_is_held(start_node: StartNode) -> None:
    async with start_node(FakeEngine()) as node:
        await node.sdk.chat.completions.create(model="swarm-fast", messages=HELLO)
        assert node.engine.prompts[0].grammar is None
