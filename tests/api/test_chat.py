"""Chat completions through the door, as the openai SDK and raw clients see them."""

import json
from dataclasses import replace
from typing import Any

import openai
import pytest

from tests.api.conftest import Node, StartNode
from tests.fakes import INFO, FakeEngine

HELLO: list[Any] = [{"role": "user", "content": "hi"}]
TOOLS: list[Any] = [{"type": "function", "function": {"name": "read", "parameters": {}}}]
CALL = '<tool_call>{"name": "read", "arguments": {"path": "a.txt"}}</tool_call>'


async def chunks(node: Node, **fields: Any) -> list[Any]:
    asked: Any = {"model": "swarm", "messages": HELLO, "stream": True, **fields}
    stream: Any = await node.sdk.chat.completions.create(**asked)
    return [chunk async for chunk in stream]


async def lines(node: Node, **fields: Any) -> list[str]:
    body = {"model": "swarm", "messages": HELLO, "stream": True, **fields}
    async with node.http.post("/v1/chat/completions", json=body) as answer:
        return (await answer.text()).split("\n\n")


async def test_an_answer_has_every_field_that_clients_need(node: Node) -> None:
    body = {"model": "swarm", "messages": HELLO}
    async with node.http.post("/v1/chat/completions", json=body) as answer:
        said = await answer.json()
    assert said["object"] == "chat.completion"
    assert said["model"] == "fake"
    assert said["id"].startswith("chatcmpl-")
    assert said["system_fingerprint"].startswith("fp_")
    (choice,) = said["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello there.", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert said["usage"]["completion_tokens"] == 3
    assert said["usage"]["total_tokens"] == said["usage"]["prompt_tokens"] + 3


async def test_the_cached_part_of_the_prompt_is_reported(start_node: StartNode) -> None:
    async with start_node(FakeEngine(cached_tokens=7)) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
    assert said.usage is not None
    assert said.usage.prompt_tokens_details is not None
    assert said.usage.prompt_tokens_details.cached_tokens == 7


async def test_the_prompt_is_the_template_of_the_messages(node: Node) -> None:
    parts: Any = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    await node.sdk.chat.completions.create(
        model="swarm", messages=[{"role": "user", "content": parts}]
    )
    assert "<|im_start|>user\na\nb<|im_end|>" in str(node.engine.prompts[0].text)


async def test_sampling_fields_reach_the_engine(node: Node) -> None:
    extensions = {"top_k": 5, "min_p": 0.1, "typical_p": 0.9, "repeat_penalty": 1.1}
    await node.sdk.chat.completions.create(
        model="swarm-fast",
        messages=HELLO,
        temperature=0.5,
        top_p=0.9,
        max_tokens=9,
        max_completion_tokens=2,
        seed=-1,
        stop="x",
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logit_bias={"5": -100},
        extra_body={**extensions, "ignore_eos": True, "unknown": [1]},
    )
    sampling = node.engine.prompts[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.max_tokens) == (0.5, 0.9, 2)
    assert (sampling.top_k, sampling.min_p, sampling.typical_p) == (5, 0.1, 0.9)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (0.1, 0.2)
    assert sampling.repetition_penalty == 1.1
    assert sampling.logit_bias == {5: -100.0}
    assert sampling.seed is not None
    assert 0 <= sampling.seed < 2**32 - 1
    assert sampling.stop == ("x",)
    assert sampling.ignore_eos


async def test_a_client_that_sends_no_sampling_leaves_it_to_the_model(node: Node) -> None:
    await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
    sampling = node.engine.prompts[0].sampling
    assert sampling.temperature is None
    assert sampling.seed is None
    assert sampling.max_tokens is None


async def test_n_choices_come_from_one_prompt(node: Node) -> None:
    said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, n=3)
    assert [choice.index for choice in said.choices] == [0, 1, 2]
    assert len(node.engine.prompts) == 1
    assert node.engine.prompts[0].n == 3


async def test_more_choices_than_the_engine_holds_are_refused(node: Node) -> None:
    with pytest.raises(openai.BadRequestError, match="n is at most 8") as caught:
        await node.sdk.chat.completions.create(model="swarm", messages=HELLO, n=9)
    assert caught.value.param == "n"


async def test_logprobs_have_openais_form(node: Node) -> None:
    said = await node.sdk.chat.completions.create(
        model="swarm", messages=HELLO, logprobs=True, top_logprobs=2
    )
    logprobs = said.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [token.token for token in logprobs.content] == ["Hello", " there", "."]
    assert logprobs.content[0].bytes == list(b"Hello")
    assert [rival.token for rival in logprobs.content[0].top_logprobs] == ["r0", "r1"]


async def test_length_is_told(node: Node) -> None:
    said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, max_tokens=1)
    assert said.choices[0].finish_reason == "length"


async def test_a_stream_begins_with_the_role_and_ends_once(node: Node) -> None:
    *events, done, rest = await lines(node)
    parsed = [json.loads(event.removeprefix("data: ")) for event in events]
    assert parsed[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "".join(p["choices"][0]["delta"].get("content", "") for p in parsed) == "Hello there."
    reasons = [p["choices"][0]["finish_reason"] for p in parsed]
    assert reasons == [None] * (len(parsed) - 1) + ["stop"]
    assert len({p["id"] for p in parsed}) == 1
    assert (done, rest) == ("data: [DONE]", "")
    assert all("logprobs" in p["choices"][0] for p in parsed)
    assert all("usage" not in p for p in parsed)


async def test_a_stream_carries_usage_when_asked(node: Node) -> None:
    said = await chunks(node, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in said[:-1]] == [None] * (len(said) - 1)
    assert said[-1].choices == []
    assert said[-1].usage.completion_tokens == 3


async def test_every_choice_of_a_stream_has_a_role_and_a_finish(node: Node) -> None:
    said = await chunks(node, n=2)
    for index in (0, 1):
        own = [chunk.choices[0] for chunk in said if chunk.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert [choice.finish_reason for choice in own].count("stop") == 1
        assert "".join(choice.delta.content or "" for choice in own) == "Hello there."


async def test_a_stream_is_not_to_be_buffered(node: Node) -> None:
    body = {"model": "swarm", "messages": HELLO, "stream": True}
    async with node.http.post("/v1/chat/completions", json=body) as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert answer.headers["x-request-id"].startswith("req_")


async def test_streamed_logprobs_are_complete(node: Node) -> None:
    said = await chunks(node, logprobs=True)
    tokens = [
        token.token
        for chunk in said
        if chunk.choices[0].logprobs
        for token in chunk.choices[0].logprobs.content
    ]
    assert tokens == ["Hello", " there", "."]


async def test_the_role_comes_before_the_prompt_is_read_and_comments_follow(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(prefill_s=0.3)) as node:
        events = await lines(node)
    assert '"role": "assistant"' in events[0]
    assert events[1:4] == [": keep-alive"] * 3


async def test_tool_calls_are_found(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=["I look. ", *CALL, "\n", *CALL])) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, tools=TOOLS)
        streamed = await chunks(node, tools=TOOLS)
    (choice,) = said.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "I look."
    assert choice.message.tool_calls is not None
    assert [call.to_dict()["function"] for call in choice.message.tool_calls] == [
        {"name": "read", "arguments": '{"path": "a.txt"}'}
    ] * 2
    assert len({call.id for call in choice.message.tool_calls}) == 2
    deltas = [chunk.choices[0].delta for chunk in streamed]
    calls = [call for delta in deltas for call in delta.tool_calls or ()]
    assert [(call.index, call.function.name) for call in calls if call.id] == [
        (0, "read"),
        (1, "read"),
    ]
    assert len(calls) > 10
    for index in (0, 1):
        arguments = [call.function.arguments for call in calls if call.index == index]
        assert "".join(arguments) == '{"path": "a.txt"}'
    assert streamed[-1].choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("name", ["swarm-fast", "swarm"])
async def test_a_call_that_a_stop_string_has_cut_is_not_told_as_whole(
    start_node: StartNode, name: str
) -> None:
    cut = CALL[: CALL.index("a.txt")]
    async with start_node(FakeEngine(words=list(cut)), usual_workers=1) as node:
        said = await node.sdk.chat.completions.create(model=name, messages=HELLO, tools=TOOLS)
        streamed = await chunks(node, tools=TOOLS)
    assert said.choices[0].finish_reason == "length"
    assert streamed[-1].choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    "said",
    [
        CALL,
        "I look. " + CALL + CALL,
        CALL.replace('"a.txt"', "[1"),
        CALL[:-20],
        CALL[:20],
        '<tool_call>{"arguments": {}, "name": "read"}</tool_call> so',
    ],
)
async def test_a_streamed_answer_is_the_whole_one_piece_by_piece(
    start_node: StartNode, said: str
) -> None:
    async with start_node(FakeEngine(words=list(said))) as node:
        whole = await node.sdk.chat.completions.create(
            model="swarm-fast", messages=HELLO, tools=TOOLS
        )
        streamed = [chunk.choices[0] for chunk in await chunks(node, tools=TOOLS)]
    (choice,) = whole.choices
    assert "".join(part.delta.content or "" for part in streamed) == (choice.message.content or "")
    assert streamed[-1].finish_reason == choice.finish_reason
    deltas = [call for part in streamed for call in part.delta.tool_calls or ()]
    assert [delta.function.name for delta in deltas if delta.id] == [
        call.function.name  # type: ignore[union-attr]
        for call in choice.message.tool_calls or ()
    ]
    for index, call in enumerate(choice.message.tool_calls or ()):
        arguments = [delta.function.arguments for delta in deltas if delta.index == index]
        assert "".join(arguments) == call.function.arguments  # type: ignore[union-attr]


async def test_one_workers_verdict_is_told_like_a_votes(
    start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_node(FakeEngine()) as node:
        with caplog.at_level("INFO"):
            raw = await node.sdk.chat.completions.with_raw_response.create(
                model="swarm-fast", messages=HELLO
            )
            streamed = await chunks(
                node, model="swarm-fast", n=2, stream_options={"include_usage": True}
            )
    verdict: Any = raw.parse().usage.swarm  # type: ignore[union-attr]
    assert (verdict["strategy"], verdict["asked"], verdict["valid"]) == ("one worker", 1, 1)
    assert verdict["tokens_per_s"] == verdict["workers"][0]["tokens_per_s"] == 100.0
    assert raw.headers["x-swarm-strategy"] == "one worker"
    assert raw.headers["x-swarm-tokens-per-s"] == "100.00"
    told = [chunk.swarm for chunk in streamed if hasattr(chunk, "swarm")]
    assert [(one["generated_tokens"], len(one["workers"])) for one in told] == [(6, 2)]
    assert streamed[-1].usage.swarm == told[0]
    assert caplog.text.count("one worker, worker 0 of 1, only one") == 2


async def test_a_call_alone_has_no_content(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=[CALL])) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, tools=TOOLS)
    assert said.choices[0].message.content is None


async def test_without_parallel_calls_the_first_is_kept(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=[CALL, CALL])) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, tools=TOOLS, parallel_tool_calls=False
        )
    assert said.choices[0].message.tool_calls is not None
    assert len(said.choices[0].message.tool_calls) == 1


async def test_tool_choice_none_hides_the_tools(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=[CALL])) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, tools=TOOLS, tool_choice="none"
        )
        assert "read" not in str(node.engine.prompts[0].text)
    assert said.choices[0].message.content == CALL


async def test_reasoning_is_apart_from_the_answer(start_node: StartNode) -> None:
    words = ["<think>", "two", " and two", "</think>", "\n", "Four."]
    async with start_node(FakeEngine(words=words)) as node:
        body = {"model": "swarm", "messages": HELLO}
        async with node.http.post("/v1/chat/completions", json=body) as answer:
            said = await answer.json()
        streamed = await chunks(node)
    message = said["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("two and two", "Four.")
    assert said["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0
    deltas = [chunk.choices[0].delta for chunk in streamed]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "two and two"
    assert "".join(d.content or "" for d in deltas) == "Four."


async def test_reasoning_that_an_engine_tells_apart_may_follow_the_answer(
    start_node: StartNode,
) -> None:
    engine = FakeEngine(words=["One.", " Two."], thoughts={0: "two", 1: " and two"})
    async with start_node(engine) as node:
        body = {"model": "swarm", "messages": HELLO}
        async with node.http.post("/v1/chat/completions", json=body) as answer:
            said = await answer.json()
        streamed = await chunks(node)
    message = said["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("two and two", "One. Two.")
    assert said["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2
    deltas = [chunk.choices[0].delta for chunk in streamed]
    assert "".join(getattr(d, "reasoning_content", None) or "" for d in deltas) == "two and two"
    assert "".join(d.content or "" for d in deltas) == "One. Two."


async def test_a_template_may_open_the_reasoning(start_node: StartNode) -> None:
    engine = FakeEngine(words=["hm</think>", "Yes."]).with_template("x<think>\n")
    async with start_node(engine) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
    assert said.choices[0].message.content == "Yes."


async def test_template_options_reach_the_template(start_node: StartNode) -> None:
    engine = FakeEngine().with_template("{{ reasoning_effort }} {{ enable_thinking }} {{ color }}")
    async with start_node(engine) as node:
        await node.sdk.chat.completions.create(
            model="swarm",
            messages=HELLO,
            reasoning_effort="none",
            extra_body={"chat_template_kwargs": {"color": "red"}},
        )
    assert engine.prompts[0].text == "none False red"


FREE = replace(INFO, constraint_template="{{ response_format|tojson }}")
"""Of an engine that holds no grammars."""


async def test_one_answer_that_nobody_held_to_its_schema_is_checked(start_node: StartNode) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    for text, state in (('{"n": 1}', "valid"), ('{"n": "x"}', "abstained")):
        async with start_node(FakeEngine(words=[text], model_info=FREE)) as node:
            said = await node.sdk.chat.completions.create(
                model="swarm-fast", messages=HELLO, response_format=form
            )
        assert said.choices[0].message.content == text
        [worker] = said.usage.to_dict()["swarm"]["workers"]  # type: ignore[union-attr]
        assert (worker["state"], bool(worker["why"])) == (state, state != "valid")
        assert node.engine.prompts[0].grammar is None
        assert '"json_schema"' in str(node.engine.prompts[0].text)


async def test_a_call_that_nobody_held_to_its_schema_is_text_where_it_is_wrong(
    start_node: StartNode,
) -> None:
    call = '<tool_call>{"name": "read", "arguments": {"path": 1}}</tool_call>'
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    tools: Any = [{"type": "function", "function": {"name": "read", "parameters": schema}}]
    async with start_node(FakeEngine(words=[call], model_info=FREE)) as node:
        raw = await node.sdk.chat.completions.with_raw_response.create(
            model="swarm-fast", messages=HELLO, tools=tools
        )
        stream = await node.sdk.chat.completions.create(
            model="swarm-fast", messages=HELLO, tools=tools, stream=True
        )
        *_, last = [chunk async for chunk in stream]
    said = raw.parse()
    assert said.choices[0].message.tool_calls is None
    assert '"path": 1' in (said.choices[0].message.content or "")
    for verdict in (said.usage.to_dict()["swarm"], last.to_dict()["swarm"]):  # type: ignore[union-attr]
        [worker] = verdict["workers"]  # type: ignore[call-overload]
        assert worker["state"] == "abstained"
        assert worker["why"].startswith("read: ")
        assert (verdict["valid"], verdict["abstained"]) == (0, 1)  # type: ignore[call-overload]
    assert (raw.headers["x-swarm-valid"], raw.headers["x-swarm-abstained"]) == ("0", "1")
