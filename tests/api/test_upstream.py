"""Answers of an upstream server through the door: whole, streamed and voted."""

from typing import Any

import pytest
from aiohttp import web

from tests.api.conftest import StartNode
from tests.swarm.engines.upstream.servers import (
    Answer,
    FakeServer,
    called,
    engine_at,
    streams,
    told,
    usage,
)

ASKED: Any = [{"role": "user", "content": "How does Qwen write a call?"}]
BASH: Any = {
    "type": "function",
    "function": {
        "name": "bash",
        "parameters": {"type": "object", "properties": {"command": {"type": "string"}}},
    },
}
QUOTED = (
    'Qwen writes it so:\n\n<tool_call>\n{"name": "bash", "arguments": {"command": "true"}}\n'
    '</tool_call>\n\nand "<think>" before it. [TOOL_CALLS]'
)
HALF = '{"command": "echo half of'

WAYS = pytest.mark.parametrize(
    ("model", "stream"),
    [("swarm", False), ("swarm", True), ("swarm-fast", False), ("swarm-fast", True)],
)


async def answer_of(
    start_node: StartNode, answer: Answer, model: str, *, stream: bool, **fields: Any
) -> tuple[str, list[tuple[str, str]], str, str]:
    """What a client is told: text, calls, reasoning and the reason of the end."""
    async with (
        engine_at(FakeServer(answer)) as engine,
        start_node(engine, usual_workers=3) as node,
    ):
        said = await node.sdk.chat.completions.create(
            **{"model": model, "messages": ASKED, "tools": [BASH], "stream": stream, **fields}
        )
        if stream:
            choices = [chunk.choices[0] async for chunk in said]
            spoken = [choice.delta for choice in choices]
        else:
            choices = said.choices
            spoken = [choice.message for choice in choices]
    [reason] = [choice.finish_reason for choice in choices if choice.finish_reason]
    calls: list[tuple[str, str]] = []
    for call in (call for each in spoken for call in each.tool_calls or ()):
        if call.function.name:
            calls.append((call.function.name, ""))
        name, arguments = calls[-1]
        calls[-1] = (name, arguments + (call.function.arguments or ""))
    thoughts = "".join(getattr(each, "reasoning_content", None) or "" for each in spoken)
    return "".join(each.content or "" for each in spoken), calls, thoughts, reason


@WAYS
async def test_a_text_that_quotes_a_call_is_a_text(
    start_node: StartNode, model: str, stream: bool
) -> None:
    pieces = [QUOTED[at : at + 7] for at in range(0, len(QUOTED), 7)]
    quoting = streams(*(told(content=piece) for piece in pieces), told("stop"))
    heard = await answer_of(start_node, quoting, model, stream=stream)
    assert heard == (QUOTED, [], "", "stop")


@WAYS
async def test_reasoning_that_quotes_a_call_is_reasoning(
    start_node: StartNode, model: str, stream: bool
) -> None:
    quoting = streams(told(reasoning_content=QUOTED), told(content="Done."), told("stop"))
    heard = await answer_of(start_node, quoting, model, stream=stream)
    assert heard == ("Done.", [], QUOTED, "stop")


@WAYS
async def test_a_call_beside_a_text_that_quotes_another_is_the_only_one(
    start_node: StartNode, model: str, stream: bool
) -> None:
    arguments = '{"command": "echo \\"</tool_call>\\""}'
    calling = streams(told(content=QUOTED), called(0, arguments, "bash"), told("tool_calls"))
    heard = await answer_of(start_node, calling, model, stream=stream)
    assert heard == (QUOTED, [("bash", arguments)], "", "tool_calls")


@WAYS
@pytest.mark.parametrize(
    ("reason", "arguments"),
    [("length", HALF), ("length", ""), ("tool_calls", HALF), ("stop", '{"command"')],
)
async def test_arguments_that_the_server_cut_come_as_they_are(
    start_node: StartNode, model: str, stream: bool, reason: str, arguments: str
) -> None:
    cut = streams(called(0, arguments, "bash"), told(reason))
    heard = await answer_of(start_node, cut, model, stream=stream)
    assert heard == ("", [("bash", arguments)], "", "length")


@WAYS
@pytest.mark.parametrize(
    ("reason", "told_reason"),
    [("length", "length"), ("tool_calls", "length"), ("content_filter", "content_filter")],
)
async def test_a_call_that_the_server_cut_is_a_call_behind_white_space_too(
    start_node: StartNode, model: str, stream: bool, reason: str, told_reason: str
) -> None:
    cut = streams(told(content="\n\n"), called(0, HALF, "bash"), told(reason))
    text, calls, _, heard = await answer_of(start_node, cut, model, stream=stream)
    assert (text.strip(), calls, heard) == ("", [("bash", HALF)], told_reason)


RIGHT, WRONG = '{"command": "true"}', '{"command": 5}'
REQUIRED: Any = {"tool_choice": "required"}
FORM: Any = {"response_format": {"type": "json_object"}}


@WAYS
@pytest.mark.parametrize("fields", [{}, REQUIRED, FORM], ids=["auto", "required", "form"])
async def test_a_call_whose_arguments_are_wrong_is_a_call_and_so_are_those_beside_it(
    start_node: StartNode, model: str, stream: bool, fields: dict[str, Any]
) -> None:
    calls = (called(0, RIGHT, "bash"), called(1, WRONG, "bash"), called(2, "{}", "bash"))
    wrong = streams(*calls, told("tool_calls"))
    heard = await answer_of(start_node, wrong, model, stream=stream, **fields)
    made = [("bash", arguments) for arguments in (RIGHT, WRONG, "{}")]
    assert heard == ("", made, "", "tool_calls")


@WAYS
async def test_a_wrong_call_of_a_strict_tool_is_text(
    start_node: StartNode, model: str, stream: bool
) -> None:
    strict = {"type": "function", "function": {**BASH["function"], "strict": True}}
    wrong = streams(called(0, WRONG, "bash"), told("tool_calls"))
    heard = await answer_of(start_node, wrong, model, stream=stream, tools=[strict])
    text, calls, _, reason = heard
    assert (calls, reason) == ([], "stop")
    assert WRONG in text


@WAYS
@pytest.mark.parametrize("arguments", ["[5]", '{"command": 5]'])
async def test_arguments_that_are_no_object_are_text(
    start_node: StartNode, model: str, stream: bool, arguments: str
) -> None:
    wrong = streams(called(0, arguments, "bash"), told("tool_calls"))
    text, calls, _, reason = await answer_of(start_node, wrong, model, stream=stream)
    assert (calls, reason) == ([], "stop")
    assert arguments in text


async def test_a_right_call_of_one_worker_is_given_before_wrong_ones(
    start_node: StartNode,
) -> None:
    right, wrong = (
        streams(called(0, arguments, "bash"), told("tool_calls")) for arguments in (RIGHT, WRONG)
    )
    left = [wrong, right, wrong]

    async def next_answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await left.pop()(request, body)

    heard = await answer_of(start_node, next_answer, "swarm", stream=False)
    assert heard == ("", [("bash", RIGHT)], "", "tool_calls")


@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
async def test_what_is_wrong_with_a_call_is_said_and_the_log_names_its_tool(
    start_node: StartNode, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    wrong = streams(called(0, '{"command": 98765}', "bash"), told("tool_calls"))
    async with (
        engine_at(FakeServer(wrong)) as engine,
        start_node(engine, usual_workers=3) as node,
    ):
        said = await node.sdk.chat.completions.create(model=model, messages=ASKED, tools=[BASH])
    verdict = said.usage.to_dict()["swarm"]  # type: ignore[union-attr]
    assert {worker["state"] for worker in verdict["workers"]} == {"abstained"}  # type: ignore[call-overload]
    assert "98765 is not of type" in verdict["workers"][0]["why"]  # type: ignore[call-overload]
    assert ("none valid" in caplog.text) == (model == "swarm")
    assert ("(wrong arguments for bash)" in caplog.text) == (model == "swarm")
    assert "98765" not in caplog.text


@WAYS
async def test_an_answer_that_the_servers_filter_cut_says_so(
    start_node: StartNode, model: str, stream: bool
) -> None:
    cut = streams(told(content="One does it so: "), told("content_filter"))
    heard = await answer_of(start_node, cut, model, stream=stream)
    assert heard == ("One does it so: ", [], "", "content_filter")


async def test_an_answer_that_the_servers_filter_cut_is_not_given_beside_whole_ones(
    start_node: StartNode,
) -> None:
    whole = streams(told(content="One does it so: like this."), told("stop"))
    cut = streams(told(content="One does it so: "), told("content_filter"))
    left = [whole, cut, cut]

    async def next_answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return await left.pop()(request, body)

    heard = await answer_of(start_node, next_answer, "swarm", stream=False)
    assert heard == ("One does it so: like this.", [], "", "stop")


@WAYS
async def test_a_call_in_the_older_field_is_a_call(
    start_node: StartNode, model: str, stream: bool
) -> None:
    pieces = [
        {"name": "bash", "arguments": ""},
        {"arguments": '{"command": '},
        {"arguments": '""}'},
    ]
    calling = streams(*(told(function_call=piece) for piece in pieces), told("function_call"))
    heard = await answer_of(start_node, calling, model, stream=stream)
    assert heard == ("", [("bash", '{"command": ""}')], "", "tool_calls")


@WAYS
async def test_a_prompt_that_the_server_counts_in_the_end_is_told_as_it_counts(
    start_node: StartNode, model: str, stream: bool
) -> None:
    answering = streams(told(content="Yes."), told("stop"), usage(6500, 2, cached=64))
    async with (
        engine_at(FakeServer(answering)) as engine,
        start_node(engine, usual_workers=3) as node,
    ):
        more = {"stream_options": {"include_usage": True}} if stream else {}
        said = await node.sdk.chat.completions.create(
            model=model, messages=ASKED, stream=stream, **more
        )
        count = [chunk async for chunk in said][-1].usage if stream else said.usage
        async with node.http.get("/v1/usage") as answer:
            kept = await answer.json()
        async with node.http.get("/metrics") as answer:
            metrics = await answer.text()
    assert (count.prompt_tokens, count.prompt_tokens_details.cached_tokens) == (6500, 64)
    assert kept["prompt_tokens"] == 6500
    assert "swarm_prompt_tokens_total 6500.0" in metrics
