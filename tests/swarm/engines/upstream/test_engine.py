"""An upstream server in all its moods: what it says, what it cannot, and what it breaks."""

import asyncio
import json
from collections.abc import Awaitable
from contextlib import aclosing
from typing import Any

import pytest

from swarm.chat.calls import Call
from swarm.chat.completion import CompletionParser, Piece, Reasoning, Text
from swarm.chat.formats.beside import BESIDE
from swarm.chat.template import ChatTemplate
from swarm.engines.base import Accepted, Delta, Finished, Started
from swarm.engines.upstream import drawing
from swarm.engines.upstream.engine import UpstreamEngine
from swarm.errors import (
    ConfigurationError,
    ContextOverflow,
    EngineLost,
    EngineNotReady,
    GenerationFailed,
    InvalidRequest,
    Overloaded,
)
from swarm.propose import Reader
from swarm.proposer import Said
from swarm.types import Message, Prompt, SamplingParams, ToolCall, ToolSpec
from tests.parts.engines.contract import Answer, ask
from tests.swarm.engines.upstream.servers import (
    BOS,
    PROPS,
    FakeServer,
    called,
    engine_at,
    refuses,
    said,
    serving,
    streams,
    texts_of,
    told,
    usage,
)

HELLO = streams(said("Hel"), said("lo"), said("", finish="stop"), usage(9, 3, cached=4))
PLAIN = Prompt("a prompt", SamplingParams())


async def in_a_moment(answer: Awaitable[Answer]) -> Answer:
    """The answer, which comes at once or not at all. Raises TimeoutError then."""
    async with asyncio.timeout(5):
        return await answer


async def answer_of(fake: FakeServer, prompt: Prompt = PLAIN) -> Answer:
    async with engine_at(fake) as engine:
        return await ask(engine, prompt)


def conversation(engine: UpstreamEngine, **more: Any) -> Prompt:
    """A chat in the engine's own template, as the door renders it."""
    template = ChatTemplate(engine.info.chat_template)
    call = ToolCall("c1", "read", '{"path": "/é"}')
    tool = ToolSpec("read", "Reads.", {"type": "object"})
    messages = [
        Message("system", "Be short."),
        Message("user", "Read it."),
        Message("assistant", None, tool_calls=(call,)),
        Message("tool", "empty", tool_call_id="c1"),
    ]
    return Prompt(template.render(messages, [tool], more), SamplingParams(max_tokens=50))


async def test_a_stream_becomes_text_and_counts():
    answer = await answer_of(FakeServer(HELLO, props=PROPS))
    assert answer.texts == {0: "Hello"}
    assert answer.finished[0].completion_tokens == 3
    assert answer.finished[0].reason == "stop"


async def test_a_server_without_usage_is_counted_by_its_chunks():
    fake = FakeServer(streams(said("a"), said("b", finish="length")), props=PROPS)
    answer = await answer_of(fake)
    assert (answer.finished[0].completion_tokens, answer.finished[0].reason) == (2, "length")


async def test_a_last_line_without_an_end_is_read():
    last = b"data: " + json.dumps(said("lo", finish="stop")).encode()
    answer = await answer_of(FakeServer(streams(said("Hel"), last, done=False)))
    assert answer.texts == {0: "Hello"}


async def test_what_the_first_chunk_says_of_the_prompt_is_believed():
    timed = said("a", timings={"cache_n": 6, "prompt_n": 3})
    fake = FakeServer(streams(timed, said("", finish="stop")), props=PROPS)
    assert (await answer_of(fake)).started == Started(9, 6)


async def test_the_length_of_a_prompt_comes_from_the_servers_tokenizer():
    fake = FakeServer(HELLO, props=PROPS, tokenizes=True)
    answer = await answer_of(fake, Prompt("abc", SamplingParams()))
    assert answer.accepted
    assert answer.accepted.prompt_tokens == 3
    assert fake.asked[0]["max_tokens"] == 997
    with pytest.raises(ContextOverflow, match="1000 tokens"):
        await answer_of(fake, Prompt("a" * 1000, SamplingParams()))


@pytest.mark.parametrize(("text", "begin"), [("<s>hi", []), ("hi", [BOS]), (" <s>hi", [BOS])])
async def test_the_token_that_begins_a_prompt_stands_there_once(text: str, begin: list[int]):
    fake = FakeServer(HELLO, props=PROPS | {"bos_token": "<s>"}, tokenizes=True)
    answer = await answer_of(fake, Prompt(text, SamplingParams()))
    tokens = begin + [ord(c) for c in text]
    assert fake.asked[0]["prompt"] == tokens
    assert answer.accepted
    assert answer.accepted.prompt_tokens == len(tokens)


async def test_a_server_without_a_beginning_token_begins_prompts_as_it_likes():
    fake = FakeServer(HELLO, props=PROPS | {"bos_token": ""}, tokenizes=True)
    await answer_of(fake, Prompt("hi", SamplingParams()))
    assert fake.asked[0]["prompt"] == [ord(c) for c in "hi"]


async def test_where_nobody_can_count_the_length_of_a_prompt_is_estimated():
    answer = await answer_of(FakeServer(HELLO), Prompt("one two three four", SamplingParams()))
    assert answer.accepted
    assert answer.accepted.prompt_tokens == 4


async def test_a_server_that_honours_n_is_asked_once():
    chunks = [said(text, index=at) for at, text in enumerate("abc")]
    ends = [said("", index=at, finish="stop") for at in range(3)]
    fake = FakeServer(streams(*chunks, *ends), props=PROPS, many=True)
    answer = await answer_of(fake, Prompt("p", SamplingParams(seed=5), n=3))
    assert answer.texts == {0: "a", 1: "b", 2: "c"}
    assert texts_of(fake.asked, "n") == [3]


async def test_a_server_that_does_not_is_asked_for_each_sequence():
    fake = FakeServer(HELLO, props=PROPS)
    sampling = SamplingParams(temperature=0.6, seed=5)
    prompt = Prompt("p", sampling, n=3, temperatures=(0.5, 0.6, 0.7))
    answer = await answer_of(fake, prompt)
    assert set(answer.texts.values()) == {"Hello"}
    assert sorted(texts_of(fake.asked, "seed")) == [5, 6, 7]
    assert sorted(texts_of(fake.asked, "temperature")) == [0.5, 0.6, 0.7]
    assert texts_of(fake.asked, "n") == [None] * 3


async def test_a_temperature_that_nobody_asked_for_is_left_to_a_server_that_tells_none():
    fake = FakeServer(HELLO, props=PROPS)
    await answer_of(fake, Prompt("p", SamplingParams(), n=2, temperatures=(0.7, 0.9)))
    assert texts_of(fake.asked, "temperature") == [None] * 2


@pytest.mark.parametrize("told_temperature", [0.2, 0.0])
async def test_the_temperature_that_a_server_tells_is_the_models_own(told_temperature: float):
    settings = {"n_ctx": 1000, "params": {"temperature": told_temperature}}
    fake = FakeServer(HELLO, props=PROPS | {"default_generation_settings": settings})
    async with engine_at(fake) as engine:
        assert engine.info.sampling["temperature"] == told_temperature
        await ask(engine, Prompt("p", SamplingParams(), n=2, temperatures=(0.15, 0.25)))
    assert sorted(texts_of(fake.asked, "temperature")) == [0.15, 0.25]


@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize(
    "prompt",
    [
        Prompt("p", SamplingParams(temperature=0.0), n=3),
        Prompt("p", SamplingParams(), n=3, temperatures=(0.0,) * 3),
    ],
)
async def test_what_draws_nothing_is_asked_for_once_and_told_of_each_sequence(
    many: bool, prompt: Prompt
):
    settings = {"n_ctx": 1000, "params": {"temperature": 0.0}}
    props = PROPS | {"default_generation_settings": settings}
    fake = FakeServer(HELLO, props=props, many=many)
    answer = await answer_of(fake, prompt)
    assert answer.texts == dict.fromkeys(range(3), "Hello")
    assert {at: end.completion_tokens for at, end in answer.finished.items()} == {0: 3, 1: 3, 2: 3}
    assert texts_of(fake.asked, "n") == [None]


async def test_where_the_only_request_fails_all_its_sequences_do():
    sampling = SamplingParams(temperature=0.0)
    with pytest.raises(EngineLost):
        await in_a_moment(answer_of(FakeServer(BREAKS, props=PROPS), Prompt("p", sampling, n=3)))


async def test_the_seeds_of_other_sequences_stay_below_what_means_a_random_one():
    fake = FakeServer(HELLO, props=PROPS)
    await answer_of(fake, Prompt("p", SamplingParams(seed=2**32 - 2), n=3))
    assert sorted(texts_of(fake.asked, "seed")) == [0, 1, 2**32 - 2]


async def test_more_sequences_than_slots_are_several_requests():
    fake = FakeServer(
        streams(*(said("x", index=at, finish="stop") for at in range(4))), props=PROPS, many=True
    )
    answer = await answer_of(fake, Prompt("p", SamplingParams(), n=6))
    assert set(answer.finished) == set(range(6))
    assert sorted(texts_of(fake.asked, "n")) == [2, 4]


async def test_only_what_was_asked_for_is_sent():
    fake = FakeServer(HELLO, props=PROPS)
    await answer_of(fake, PLAIN)
    assert not {"temperature", "top_k", "stop", "seed", "logit_bias", "grammar"} & set(
        fake.asked[0]
    )
    sampling = SamplingParams(
        temperature=0.5, repetition_penalty=1.1, logit_bias={7: -5.0}, stop=("x",), ignore_eos=True
    )
    await answer_of(fake, Prompt("p", sampling))
    sent = fake.asked[1]
    assert (sent["temperature"], sent["repeat_penalty"]) == (0.5, 1.1)
    assert (sent["logit_bias"], sent["stop"], sent["ignore_eos"]) == ({"7": -5.0}, ["x"], True)


CALLS = "{% for tool in tools or [] %}{{ tool }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "marks"),
    [
        ("[TOOL_CALLS]" + CALLS, {"[TOOL_CALLS]"}),
        ("[TOOL_CALLS][ARGS]" + CALLS, {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"}),
        ("<|channel|>" + CALLS, {"<|channel|>", "<|message|>", "<|end|>"}),
        ("<arg_key>" + CALLS, {"<tool_call>", "</tool_call>", "<arg_key>", "</arg_value>"}),
        (CALLS, {"<tool_call>", "</tool_call>"}),
    ],
)
async def test_a_server_whose_prompts_are_ours_is_to_write_out_the_marks_of_its_model(
    template: str, marks: set[str]
):
    fake = FakeServer(HELLO, props=PROPS | {"chat_template": template})
    await answer_of(fake)
    kept = set(fake.asked[0]["preserved_tokens"])
    assert kept >= marks | {"<think>", "</think>"}
    # To other models it is the end of an answer, which would then be part of it.
    assert ("<|end|>" in kept) == ("<|channel|>" in template)


async def test_a_server_with_its_own_template_is_told_no_marks():
    fake = FakeServer(streams(told(content="Done.", finish="stop")), props=PROPS)
    async with engine_at(fake) as engine:
        text = ChatTemplate(engine.info.constraint_template).render([Message("user", "hi")], ())
        await ask(engine, Prompt(text, SamplingParams()))
    assert "preserved_tokens" not in fake.asked[0]


async def test_a_server_with_its_own_template_gets_the_conversation():
    fake = FakeServer(streams(told(content="Done.", finish="stop")))
    async with engine_at(fake) as engine:
        await ask(engine, conversation(engine, enable_thinking=False))
    sent = fake.asked[0]
    assert sent["path"] == "/v1/chat/completions"
    assert [turn["role"] for turn in sent["messages"]] == ["system", "user", "assistant", "tool"]
    assert sent["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"path": "/é"}'
    assert sent["tools"][0]["function"]["name"] == "read"
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["max_tokens"] == 50


async def test_what_an_answer_is_to_be_goes_with_the_conversation():
    fake = FakeServer(streams(told(content="{}", finish="stop")), props=PROPS)
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    async with engine_at(fake) as engine:
        template = ChatTemplate(engine.info.constraint_template)
        wish = {"response_format": form, "tool_choice": "required"}
        text = template.render([Message("user", "hi")], (), wish)
        await ask(engine, Prompt(text, SamplingParams()))
    sent = fake.asked[0]
    assert sent["path"] == "/v1/chat/completions"
    assert (sent["response_format"], sent["tool_choice"]) == (form, "required")


async def test_reasoning_and_calls_of_a_chat_come_back_beside_the_text():
    fake = FakeServer(
        streams(
            told(reasoning_content="Hm"),
            told(reasoning_content=", so."),
            told(content="I read."),
            called(0, '{"path": ', "read"),
            called(0, '"</tool_call>"}'),
            called(1, "{}", "list"),
            told("tool_calls"),
        )
    )
    assert await heard(fake) == [
        Reasoning("Hm"),
        Reasoning(", so."),
        Text("I read."),
        Call("read", '{"path": "</tool_call>"}'),
        Call("list", "{}"),
    ]


async def test_reasoning_stays_reasoning_wherever_it_comes():
    chunks = [{"reasoning": "a"}, {"content": "One. "}, {"reasoning_content": "b </think>"}]
    fake = FakeServer(
        streams(
            *(told(**delta) for delta in chunks),
            told(reasoning_content="c", content="Two."),
            told(reasoning_content="d"),
            told("stop"),
        )
    )
    assert await heard(fake) == [
        Reasoning("a"),
        Text("One. "),
        Reasoning("b </think>"),
        Reasoning("c"),
        Text("Two."),
        Reasoning("d"),
    ]


async def heard(fake: FakeServer) -> list[Piece]:
    """What a worker of this engine says in a conversation."""
    pieces: list[Piece] = []
    async with engine_at(fake) as engine:
        reads = ChatTemplate(engine.info.chat_template).call_format.parser([])
        reader = Reader(CompletionParser(reads))
        async for events in engine.generate(conversation(engine)):
            for event in events:
                if isinstance(event, Delta | Finished):
                    for news in reader.read(event):
                        pieces += news.pieces if isinstance(news, Said) else ()
    return pieces


@pytest.mark.parametrize("props", [None, PROPS])
async def test_every_conversation_is_read_as_one_whose_calls_stand_beside_the_text(props: Any):
    async with engine_at(FakeServer(HELLO, props=props)) as engine:
        assert ChatTemplate(engine.info.constraint_template).call_format is BESIDE
        reads_text = ChatTemplate(engine.info.chat_template).call_format is not BESIDE
    assert reads_text == bool(props)


async def test_what_looks_like_a_call_in_the_text_of_a_chat_is_text():
    quoted = '<tool_call>{"name": "read", "arguments": {}}</tool_call>'
    fake = FakeServer(streams(told(content=quoted), told("stop")))
    assert await heard(fake) == [Text(quoted)]


async def test_arguments_that_are_no_json_are_told_as_they_are():
    fake = FakeServer(streams(called(0, '{"path"', "read"), told("tool_calls")))
    assert await heard(fake) == [Call("read", '{"path"')]


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": [
            {"token": "a", "bytes": [97], "logprob": -0.5}, {"token": "b", "logprob": -1.5}]},
            {"token": "", "bytes": [], "logprob": 0.0, "top_logprobs": []}]},
        {"tokens": ["a"], "token_logprobs": [-0.5], "top_logprobs": [{"a": -0.5, "b": -1.5}]},
    ],
    ids=["as chat", "as completions"],
)  # fmt: skip
async def test_logprobs_are_read_in_both_forms(logprobs):
    chunk = said("a", finish="stop")
    chunk["choices"][0]["logprobs"] = logprobs
    fake = FakeServer(streams(chunk), props=PROPS)
    answer = await answer_of(fake, Prompt("p", SamplingParams(top_logprobs=2)))
    [entry] = answer.logprobs
    assert (entry.token, entry.logprob) == ("a", -0.5)
    assert [rival.token for rival in entry.top] == ["a", "b"]


@pytest.mark.parametrize(
    ("status", "body", "headers", "error", "words"),
    [
        (400, {"error": {"message": "no top_k"}}, {}, InvalidRequest, "no top_k"),
        (404, {"detail": "Not Found"}, {}, InvalidRequest, "Not Found"),
        (429, {"error": {"message": "full"}}, {"Retry-After": "9"}, Overloaded, "full"),
        (503, {"error": {"message": "Loading"}}, {}, EngineNotReady, "Loading"),
        (500, "a page", {}, GenerationFailed, "a page"),
        (401, {"error": "bad key"}, {}, GenerationFailed, "bad key"),
    ],
)
async def test_a_refusal_is_an_error_of_ours(status, body, headers, error, words):
    fake = FakeServer(refuses(status, body, **headers), props=PROPS)
    with pytest.raises(error, match=words) as raised:
        await answer_of(fake)
    if headers:
        assert raised.value.retry_after_s == 9


async def test_an_overflow_keeps_the_servers_figures():
    error = {"message": "too long", "type": "exceed_context_size_error"}
    body = {"error": error | {"n_prompt_tokens": 5000, "n_ctx": 4096}}
    with pytest.raises(ContextOverflow, match=r"5000 tokens.*4096"):
        await answer_of(FakeServer(refuses(400, body)))


async def test_what_the_server_refuses_is_not_accepted_before():
    async with engine_at(FakeServer(refuses(400, {"error": {"message": "no top_k"}}))) as engine:
        with pytest.raises(InvalidRequest, match="no top_k"):
            await anext(engine.generate(PLAIN))


async def test_a_server_that_takes_its_time_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(drawing, "REFUSAL_S", 0.01)
    asked = asyncio.Event()

    async def never(_request: Any, _body: dict[str, Any]) -> Any:
        asked.set()
        return await asyncio.Event().wait()

    async with (
        asyncio.timeout(5),
        engine_at(FakeServer(never)) as engine,
        aclosing(engine.generate(PLAIN)) as events,
    ):
        assert await anext(events) == [Accepted(2)]
        await asked.wait()


async def test_what_is_surely_too_long_is_not_asked_for():
    fake = FakeServer(HELLO)
    async with engine_at(fake, context_tokens=100) as engine:
        assert (await ask(engine, Prompt("one " * 300, SamplingParams()))).finished
        with pytest.raises(ContextOverflow, match=r"5\d\d tokens.*100 tokens"):
            await ask(engine, Prompt("one " * 500, SamplingParams()))
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        streams(said("a"), done=False),
        streams(said("a")),
        streams(b"data: {broken\n\n"),
        streams(b"data: [1]\n\n"),
        streams(*[b"x" * (1 << 20)] * 9),
    ],
    ids=["ends early", "done without an end", "no JSON", "no chunk", "no end of a line"],
)
async def test_a_broken_stream_is_a_lost_engine(answer):
    with pytest.raises(EngineLost):
        await answer_of(FakeServer(answer, props=PROPS))


def breaks_off(way: str, *chunks: dict[str, Any]) -> Any:
    """An answer whose connection ends after these chunks."""
    begins = streams(*chunks, done=False)

    async def breaks(request: Any, body: dict[str, Any]) -> Any:
        await begins(request, body)
        getattr(request.transport, way)()
        return await asyncio.Event().wait()

    return breaks


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_a_server_that_breaks_off_is_there_all_the_same(way: str):
    async with engine_at(FakeServer(breaks_off(way, said("a")), props=PROPS)) as engine:
        with pytest.raises(EngineLost) as raised:
            await in_a_moment(ask(engine, PLAIN))
        assert str(raised.value) == "the upstream server broke off in the middle of an answer"
        assert (await engine.load()).running == 0


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("way", ["close", "abort"])
async def test_a_stream_that_breaks_off_behind_whole_answers_costs_their_counts_only(
    way: str, n: int
):
    chunks = [said("a", index=at) for at in range(n)]
    chunks += [said("b", index=at, finish="stop") for at in range(n)]
    fake = FakeServer(breaks_off(way, *chunks), props=PROPS, many=True)
    answer = await in_a_moment(answer_of(fake, Prompt("p", SamplingParams(), n=n)))
    assert answer.texts == dict.fromkeys(range(n), "ab")
    assert {each.completion_tokens for each in answer.finished.values()} == {2}
    assert (set(answer.finished), answer.failed) == (set(range(n)), {})
    assert len(fake.asked) == 1


async def test_an_error_in_the_middle_of_a_stream_is_raised():
    broken = streams(said("a"), {"error": {"message": "out of memory", "code": 500}})
    with pytest.raises(GenerationFailed, match="out of memory"):
        await answer_of(FakeServer(broken, props=PROPS))


@pytest.mark.parametrize("code", ["server_error", "500", 500.0, None, ["odd"], {"a": 1}])
async def test_the_code_of_an_error_in_a_stream_may_be_anything(code):
    broken = streams(said("a"), {"error": {"message": "out of memory", "code": code}})
    with pytest.raises(GenerationFailed, match="out of memory"):
        await in_a_moment(answer_of(FakeServer(broken, props=PROPS)))


@pytest.mark.parametrize("code", [400, "400"])
async def test_the_code_of_an_error_in_a_stream_is_taken_where_it_is_a_status(code):
    broken = streams({"error": {"message": "no top_k", "code": code}})
    with pytest.raises(InvalidRequest, match="no top_k"):
        await in_a_moment(answer_of(FakeServer(broken, props=PROPS)))


async def test_an_overflow_in_a_stream_is_one_with_the_figures_that_are_known():
    error = {"message": "too long", "code": "context_length_exceeded"}
    fake = FakeServer(streams({"error": error}), props=PROPS, tokenizes=True)
    with pytest.raises(ContextOverflow, match=r"8 tokens.*1000"):
        await in_a_moment(answer_of(fake))


@pytest.mark.parametrize("many", [True, False], ids=["one request", "several"])
async def test_a_chunk_in_a_form_that_nobody_foresaw_ends_the_generation(many):
    odd = {"choices": [{"index": "first", "text": "a"}]}
    fake = FakeServer(streams(odd, hang=True), props=PROPS, many=many)
    with pytest.raises(ValueError, match="first"):
        await in_a_moment(answer_of(fake, Prompt("p", SamplingParams(), n=2)))


def by_seed(answers: dict[int, Any]) -> Any:
    """Every request has the answer of its seed."""

    async def answer(request: Any, body: dict[str, Any]) -> Any:
        return await answers[body["seed"]](request, body)

    return answer


BUSY = refuses(429, {"error": {"message": "1 concurrent request"}}, **{"Retry-After": "9"})
BREAKS = streams(said("a"), done=False)
THREE = Prompt("p", SamplingParams(seed=1), n=3)


@pytest.mark.parametrize(("failing", "error"), [(BREAKS, EngineLost), (BUSY, Overloaded)])
async def test_a_request_that_fails_costs_its_own_sequence(failing: Any, error: type[Exception]):
    fake = FakeServer(by_seed({1: failing, 2: HELLO, 3: HELLO}), props=PROPS)
    answer = await in_a_moment(answer_of(fake, THREE))
    assert set(answer.finished) == {1, 2}
    assert {at: type(failed.error) for at, failed in answer.failed.items()} == {0: error}


async def test_where_all_requests_fail_it_is_told_that_the_server_is_only_busy():
    fake = FakeServer(by_seed({1: BREAKS, 2: BUSY, 3: BREAKS}), props=PROPS)
    with pytest.raises(Overloaded, match="1 concurrent request") as raised:
        await in_a_moment(answer_of(fake, THREE))
    assert raised.value.retry_after_s == 9


async def test_of_several_sequences_of_a_broken_request_those_that_ended_are_kept():
    broken = streams(said("a", finish="stop"), said("b", index=1), done=False)
    fake = FakeServer(broken, props=PROPS, many=True)
    answer = await in_a_moment(answer_of(fake, Prompt("p", SamplingParams(), n=2)))
    assert (set(answer.finished), set(answer.failed)) == ({0}, {1})


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_a_kept_connection_that_the_server_closes_just_then_costs_no_answer(way: str):
    fake = FakeServer(HELLO, props=PROPS)

    async def closes_one(request: Any, body: dict[str, Any]) -> Any:
        if len(fake.asked) > 1:
            return await HELLO(request, body)
        getattr(request.transport, way)()
        return await asyncio.Event().wait()

    fake.answer = closes_one
    assert (await in_a_moment(answer_of(fake))).texts == {0: "Hello"}
    assert fake.asked[0] == fake.asked[1]


async def test_a_server_that_closes_a_fresh_connection_is_not_asked_again():
    fake = FakeServer(HELLO, props=PROPS)

    async def closes(request: Any, _body: dict[str, Any]) -> Any:
        request.transport.close()
        return await asyncio.Event().wait()

    fake.answer = closes
    with pytest.raises(EngineLost, match="is not there"):
        await in_a_moment(answer_of(fake))
    assert len(fake.asked) == 2


async def test_closing_a_generation_closes_its_connection():
    fake = FakeServer(streams(said("a"), hang=True), props=PROPS)
    async with engine_at(fake) as engine:
        async with aclosing(engine.generate(PLAIN)) as events:
            async for step in events:
                if any(isinstance(event, Started) for event in step):
                    assert (await engine.load()).sequences == 1
                    break
        assert (await engine.load()).sequences == 0
        async with asyncio.timeout(2):
            await fake.gone.wait()


async def test_closing_the_engine_ends_what_runs():
    fake = FakeServer(streams(said("a"), hang=True), props=PROPS)
    async with engine_at(fake) as engine:
        events = engine.generate(PLAIN)
        await anext(events)
        await engine.aclose()
        with pytest.raises(EngineLost):
            _ = [step async for step in events]


async def test_a_server_that_goes_away_is_lost_and_found_again():
    async with engine_at(FakeServer(HELLO, props=PROPS)) as engine:
        engine._connection.url = "http://127.0.0.1:9/v1"
        with pytest.raises(EngineLost, match="is not there"):
            await ask(engine, PLAIN)


async def test_a_server_that_went_away_is_no_load_until_it_is_back():
    async with engine_at(FakeServer(HELLO, props=PROPS)) as engine:
        here, engine._connection.url = engine._connection.url, "http://127.0.0.1:9/v1"
        assert (await engine.load()).running == 0
        with pytest.raises(EngineLost):
            await ask(engine, PLAIN)
        with pytest.raises(EngineLost, match="is not there"):
            await engine.load()
        engine._connection.url = here
        assert (await engine.load()).running == 0


async def test_a_server_that_is_back_and_not_ready_is_lost_until_it_is():
    fake = FakeServer(HELLO, props=PROPS)
    async with engine_at(fake) as engine:
        here, engine._connection.url = engine._connection.url, "http://127.0.0.1:9/v1"
        with pytest.raises(EngineLost):
            await ask(engine, PLAIN)
        engine._connection.url, fake.loading = here, 2
        for _ in range(2):
            with pytest.raises(EngineNotReady):
                await engine.load()
        assert (await engine.load()).running == 0


async def test_a_server_that_is_loading_is_waited_for():
    fake = FakeServer(HELLO, props=PROPS, loading=1)
    assert (await answer_of(fake)).texts == {0: "Hello"}


@pytest.mark.parametrize("page", [None, "<html>"])
@pytest.mark.parametrize("lacking", [200, 401, 403, 404, 405, 429, 500, 502, 503])
async def test_what_only_some_servers_tell_may_be_refused_in_any_way(
    lacking: int, page: str | None
):
    fake = FakeServer(HELLO, lacking=lacking, page=page)
    assert (await answer_of(fake)).texts == {0: "Hello"}


@pytest.mark.parametrize("status", [400, 403, 429, 500, 501, 503])
async def test_a_server_that_refuses_two_answers_in_any_way_is_asked_for_each(status: int):
    fake = FakeServer(HELLO, many=True, refused_many=status)
    answer = await answer_of(fake, Prompt("p", SamplingParams(), n=2))
    assert answer.texts == {0: "Hello", 1: "Hello"}
    assert texts_of(fake.asked, "n") == [None, None]


async def test_a_server_that_does_not_know_the_key_is_said_at_the_start():
    async with serving(FakeServer(HELLO, lacking=401, refused_many=401)) as url:
        with pytest.raises(ConfigurationError, match="status 401"):
            await UpstreamEngine(url).start()


async def test_a_start_that_is_ended_while_the_server_loads_leaves_no_session():
    async with serving(FakeServer(HELLO, loading=1000)) as url:
        engine = UpstreamEngine(url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await engine.start()
        assert engine._connection._session is None


async def test_the_key_goes_with_every_request():
    fake = FakeServer(HELLO)
    async with engine_at(fake, key="k"):
        assert fake.headers[0]["Authorization"] == "Bearer k"


async def test_nothing_at_the_address_is_said_at_the_start():
    with pytest.raises(ConfigurationError, match="not there"):
        await UpstreamEngine("http://127.0.0.1:9/v1").start()


@pytest.mark.parametrize(
    ("card", "options", "words"),
    [
        ({"id": "m"}, {}, "--ctx N"),
        ({"id": "m", "max_model_len": 5}, {"model": "other"}, "serves m"),
    ],
)
async def test_a_server_that_cannot_be_used_is_said_at_the_start(card, options, words):
    async with serving(FakeServer(HELLO, card=card)) as url:
        with pytest.raises(ConfigurationError, match=words):
            await UpstreamEngine(url, **options).start()


async def test_the_owners_context_bounds_the_servers():
    async with engine_at(FakeServer(HELLO), context_tokens=100) as engine:
        assert engine.info.context_tokens == 100
        assert engine.info.name == "org/model"


async def test_before_the_start_there_is_no_model():
    engine = UpstreamEngine("http://127.0.0.1:9/v1")
    with pytest.raises(EngineNotReady):
        _ = engine.info
    with pytest.raises(EngineNotReady):
        await anext(engine.generate(PLAIN))


async def test_what_the_server_cannot_do_is_refused_by_name():
    async with engine_at(FakeServer(HELLO)) as engine:
        with pytest.raises(InvalidRequest, match="tokenises"):
            await engine.tokenize("a")
        assert not engine.info.holds_grammars
