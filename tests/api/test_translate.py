"""What a body says, as the swarm is asked it: without a door and a model."""

import json
from typing import Any

import pytest

from api.openai.reply import SPEEDS_TOLD, Counts, verdict_headers
from api.openai.rules import rules_of
from api.openai.schema import ChatBody, CompletionBody, VoteBody
from api.openai.translate import ChatAsk, chat_ask, completion_ask
from swarm.engines.base import Accepted, Finished, Started
from swarm.engines.sampling import SEEDS
from swarm.types import Constraint, Message, Verdict, WorkerReport

HELLO: Any = {"role": "user", "content": "hi"}
CALL: Any = {"id": "c1", "type": "function", "function": {"name": "a", "arguments": "{}"}}
CALLS: Any = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: Any = {"role": "tool", "tool_call_id": "c1", "content": "made"}


def tool(name: str) -> Any:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def asked(**fields: Any) -> ChatAsk:
    return chat_ask(ChatBody.model_validate({"model": "swarm", "messages": [HELLO], **fields}), {})


@pytest.mark.parametrize(
    ("fields", "itself"),
    [
        ({}, False),
        ({"tools": [tool("a")]}, True),
        ({"tool_choice": "none"}, True),
        ({"messages": [HELLO, CALLS, RESULT, HELLO]}, True),
        ({"messages": [HELLO, {"role": "assistant", "content": "yes"}, HELLO]}, False),
    ],
)
def test_who_called_a_tool_in_any_message_runs_them_itself(
    fields: dict[str, Any], itself: bool
) -> None:
    assert asked(**fields).calls_itself is itself


@pytest.mark.parametrize(
    ("message", "read"),
    [
        ({**HELLO, "name": "Ada"}, Message("user", "hi", name="Ada")),
        (
            {"role": "assistant", "content": "4", "reasoning_content": "two"},
            Message("assistant", "4", reasoning="two"),
        ),
        (
            {"role": "user", "content": "[Assistant reasoning]: [swarm] 1 of 2\n[Assistant]: 4"},
            Message("user", "[Assistant]: 4"),  # a conversation to sum up: no model has said more
        ),
        (
            {"role": "assistant", "content": "4", "reasoning": "two"},  # as OpenRouter names it
            Message("assistant", "4", reasoning="two"),
        ),
        (
            {"role": "assistant", "content": None, "refusal": "I will not."},
            Message("assistant", "I will not."),
        ),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            Message("assistant", "No."),
        ),
        (
            {"role": "user", "content": [{"type": "text", "text": "a", "refusal": "No."}]},
            Message("user", "a"),
        ),
    ],
)
def test_a_message_keeps_what_it_says(message: dict[str, Any], read: Message) -> None:
    [found] = asked(messages=[message]).question.messages
    assert found == read


def test_a_call_in_the_old_form_and_its_result_belong_together() -> None:
    old = {"role": "assistant", "content": None, "function_call": CALL["function"]}
    result = {"role": "function", "name": "a", "content": "made"}
    found = asked(messages=[HELLO, old, result, old, {**result, "content": "again"}])
    first, second = found.question.messages[1].tool_calls + found.question.messages[3].tool_calls
    assert (first.name, first.arguments) == ("a", "{}")
    assert first.id != second.id
    results = [found.question.messages[2], found.question.messages[4]]
    assert [message.tool_call_id for message in results] == [first.id, second.id]
    assert found.calls_itself


def test_a_result_in_the_old_form_belongs_to_the_call_of_its_name() -> None:
    other: Any = {"id": "c2", "type": "function", "function": {"name": "b", "arguments": "{}"}}
    calls = {**CALLS, "tool_calls": [CALL, other]}
    result = {"role": "function", "name": "b", "content": "made"}
    assert asked(messages=[HELLO, calls, result]).question.messages[2].tool_call_id == "c2"


@pytest.mark.parametrize(
    ("fields", "name", "value"),
    [
        ({"max_tokens": 7}, "max_tokens", 7),
        ({"max_tokens": 7, "max_completion_tokens": 9}, "max_tokens", 9),
        ({}, "max_tokens", None),
        ({"top_k": -1}, "top_k", 0),
        ({"top_k": 3}, "top_k", 3),
        ({"seed": SEEDS + 5}, "seed", 5),
        ({"seed": 0}, "seed", 0),
        ({"stop": "end"}, "stop", ("end",)),
        ({"stop": ["a", "b"]}, "stop", ("a", "b")),
        ({"repeat_penalty": 1.5}, "repetition_penalty", 1.5),
        ({"repetition_penalty": 1.25, "repeat_penalty": 1.5}, "repetition_penalty", 1.25),
        ({"logprobs": True}, "top_logprobs", 0),
        ({"logprobs": True, "top_logprobs": 2}, "top_logprobs", 2),
        ({"logprobs": False}, "top_logprobs", None),
        ({"temperature": 0}, "temperature", 0),
        ({"logit_bias": {"5": -1.5}}, "logit_bias", {5: -1.5}),
    ],
)
def test_what_is_said_of_sampling_is_what_the_engine_is_told(
    fields: dict[str, Any], name: str, value: object
) -> None:
    assert getattr(asked(**fields).question.sampling, name) == value


def test_a_completion_has_openais_sixteen_tokens_unless_it_says_how_many() -> None:
    def limit(**fields: Any) -> int | None:
        body = CompletionBody.model_validate({"model": "swarm", "prompt": "a", **fields})
        return completion_ask(body).sampling.max_tokens

    assert (limit(), limit(max_tokens=3), limit(max_tokens=99)) == (16, 3, 99)


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_object", "schema": {"required": ["a"]}}, {"required": ["a"]}),
        ({"type": "json_object", "schema": None}, {"type": "object"}),
        (
            {"type": "json_schema", "json_schema": {"schema": {"required": ["a"]}}},
            {"required": ["a"]},
        ),
    ],
)
def test_a_form_is_what_the_answer_is_held_to(form: Any, schema: Any) -> None:
    held = asked(response_format=form).question.constraint.schema
    assert (held and json.loads(held)) == schema


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_a_list_of_allowed_tools_leaves_all_in_the_prompt_and_holds_the_calls(mode: str) -> None:
    listed = {"mode": mode, "tools": [tool("c"), tool("a")]}
    choice = {"type": "allowed_tools", "allowed_tools": listed}
    ask = asked(tools=[tool("a"), tool("b"), tool("c")], tool_choice=choice)
    assert [one.name for one in ask.question.tools] == ["a", "b", "c"]
    assert ask.question.constraint == Constraint(must_call=mode == "required", tools=("c", "a"))
    rules = rules_of(VoteBody(), ask.question, patience_s=7)
    assert set(rules.checks) == {"a", "c"}


# The rules of its vote


@pytest.mark.parametrize(
    ("wishes", "strategy", "reading", "decide"),
    [
        ({}, "auto", "auto", "exact"),
        ({"strategy": "medoid"}, "medoid", "medoid", "exact"),
        ({"strategy": "json", "decide": "all"}, "json", "json", "all"),
        ({"strategy": "first"}, "first", "auto", "first"),
        ({"strategy": "best"}, "best", "auto", "best"),
        ({"strategy": "judge"}, "judge", "auto", "all"),
        ({"stream": "leader"}, "leader", "auto", "exact"),
        ({"decide": "statistical"}, "auto", "auto", "statistical"),
    ],
)
def test_a_wish_decides_how_votes_are_read_and_when_they_end(
    wishes: dict[str, Any], strategy: str, reading: str, decide: str
) -> None:
    body = VoteBody.model_validate(wishes)
    rules = rules_of(body, asked().question, patience_s=7.0)
    assert (rules.strategy, rules.reading, rules.decide) == (strategy, reading, decide)
    assert (rules.patience_s, rules.hurried, rules.must_call) == (7.0, False, False)
    assert (rules.wanted is not None) == (reading == "json")
    assert rules_of(body, asked().question, patience_s=7.0, n=2).decide == "all"


def test_a_request_has_an_hour_unless_it_says_how_long() -> None:
    question = asked().question
    assert rules_of(VoteBody(), question, patience_s=1.0).deadline_s == 3600.0
    assert rules_of(VoteBody(deadline_s=9.5), question, patience_s=1.0).deadline_s == 9.5


def test_an_agents_vote_is_hurried_and_only_the_tool_that_it_chose_is_valid() -> None:
    named = {"type": "function", "function": {"name": "a"}}
    tools = [tool("a"), tool("b")]
    rules = rules_of(VoteBody(), asked(tools=tools).question, patience_s=1.0)
    assert (rules.hurried, rules.must_call, set(rules.checks)) == (True, False, {"a", "b"})
    held = asked(tools=tools, tool_choice=named).question
    rules = rules_of(VoteBody(), held, patience_s=1.0)
    assert (rules.must_call, set(rules.checks), set(rules.schemas)) == (True, {"a"}, {"a", "b"})


def test_the_same_request_breaks_ties_alike_and_another_one_otherwise() -> None:
    def seed(**fields: Any) -> str:
        return rules_of(VoteBody(), asked(**fields).question, patience_s=1.0).seed

    assert seed() == seed(temperature=0.5)
    assert len({seed(), seed(seed=1), seed(seed=2), seed(messages=[HELLO, HELLO])}) == 4


# What is told of it


def test_a_header_tells_the_speeds_of_a_bounded_number_of_workers() -> None:
    workers = tuple(WorkerReport(str(at), "fake", "valid", 1, 9.0) for at in range(99))
    verdict = Verdict("auto", "majority", "0", 99, 99, 0, 0, 1.0, 1.0, 9.0, 99, workers)
    speeds = verdict_headers(verdict)["x-swarm-tokens-per-s-of-each"].split(", ")
    assert SPEEDS_TOLD == 32
    assert speeds == [f"{at}=9.00" for at in range(32)]


def test_a_prompt_that_nobody_began_to_read_counts_as_it_was_accepted() -> None:
    counts = Counts()
    counts.add(Accepted(9))
    assert counts.usage()["prompt_tokens"] == 9
    counts.add(Started(8, 3))
    counts.add(Finished(0, "stop", 2, 0.1, 0.1))
    used = counts.usage()
    assert [used[f"{kind}_tokens"] for kind in ("prompt", "completion", "total")] == [8, 2, 10]
    assert used["prompt_tokens_details"]["cached_tokens"] == 3


def test_a_tool_that_nothing_satisfies_takes_any_object_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    never = {"type": "object", "properties": {"p": {"type": "string", "enum": [1]}}}
    named = {"name": "never-satisfied", "parameters": {**never, "required": ["p"]}}
    for _ in range(2):
        [taken] = asked(tools=[{"type": "function", "function": named}]).question.tools
        assert taken.parameters == {"type": "object"}
    [told] = caplog.records
    assert told.levelname == "WARNING"
    assert "'never-satisfied'" in told.getMessage()


def test_the_variants_of_a_tool_that_is_closed_from_outside_may_be_called() -> None:
    variants = [{"properties": {one: {"type": "string"}}, "required": [one]} for one in "ab"]
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    named = {"name": "odd", "parameters": {"anyOf": variants, **closed}}
    question = asked(tools=[{"type": "function", "function": named}]).question
    check = rules_of(VoteBody(), question, patience_s=1.0).checks["odd"]
    assert check('{"b": "x"}') is None
    assert check('{"c": "x"}') is not None
