"""Models by id, and the bound on what is asked at once."""

import asyncio
import json
import logging
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.calls import Call
from swarm.engines.base import Finished
from swarm.engines.upstream.server import CHAT_MARK, CHAT_TEMPLATE
from swarm.errors import (
    EngineNotReady,
    InvalidRequest,
    ModelLoadFailed,
    Overloaded,
    UnknownModel,
)
from swarm.forms import Forms
from swarm.pool import Pool, ServedModel
from swarm.types import Constraint, Message, Prompt, Question, SamplingParams, ToolSpec
from tests.fakes import INFO, FakeEngine

PROMPT = Prompt("hello", SamplingParams())


def pool_of(*engines: FakeEngine, max_requests: int = 4, **options: Any) -> Pool:
    names = ("first", "second")
    models = [ServedModel(name, engine, 0) for name, engine in zip(names, engines, strict=False)]
    return Pool(models, max_requests=max_requests, **options)


@pytest.mark.parametrize("name", ["swarm", "auto", "swarm-fast", "auto-fast", "first-fast"])
def test_the_first_model_is_the_default(name: str) -> None:
    assert pool_of(FakeEngine(), FakeEngine()).resolve(name).id == "first"


def test_others_are_asked_for_by_their_ids() -> None:
    pool = pool_of(FakeEngine(), FakeEngine())
    assert pool.resolve("second").id == "second"
    assert pool.resolve("second-fast").id == "second"
    assert pool.ids() == (
        "swarm",
        "swarm-fast",
        "first",
        "first-fast",
        "second",
        "second-fast",
    )


def test_an_unknown_id_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match="swarm, swarm-fast, first"):
        pool_of(FakeEngine()).resolve("third")


async def test_events_pass_through() -> None:
    pool = pool_of(FakeEngine())
    steps = [step async for step in pool.generate(pool.models[0], PROMPT)]
    assert isinstance(steps[-1][0], Finished)
    assert pool.in_flight == 0


async def test_closing_the_stream_cancels_the_generation() -> None:
    engine = FakeEngine()
    pool = pool_of(engine)
    stream = pool.generate(pool.models[0], PROMPT)
    await anext(stream)
    await stream.aclose()
    assert (engine.running, engine.cancelled, pool.in_flight) == (0, 1, 0)


async def test_beyond_the_bound_a_time_to_come_back_is_given() -> None:
    pool = pool_of(FakeEngine(), max_requests=1)
    running = pool.generate(pool.models[0], PROMPT)
    await anext(running)
    with pytest.raises(Overloaded) as caught:
        await anext(pool.generate(pool.models[0], PROMPT))
    assert caught.value.retry_after_s == 5
    await running.aclose()


async def test_the_time_to_come_back_follows_the_recent_pace() -> None:
    now = 0.0
    engine = FakeEngine()
    model = ServedModel("first", engine, 0)
    pool = Pool([model], max_requests=20, clock=lambda: now)
    for _ in range(8):
        async for _ in pool.generate(model, PROMPT):
            pass
        now += 4.0
    running = [pool.generate(model, PROMPT) for _ in range(20)]
    for stream in running:
        await anext(stream)
    with pytest.raises(Overloaded) as caught:
        await anext(pool.generate(model, PROMPT))
    assert caught.value.retry_after_s == 8
    for stream in running:
        await stream.aclose()


async def test_what_the_model_cannot_do_is_refused_before_it_is_asked() -> None:
    engine = FakeEngine()
    pool = pool_of(engine)
    for prompt in (
        replace(PROMPT, n=INFO.max_sequences + 1),
        replace(PROMPT, text=(1, INFO.vocabulary)),
        replace(PROMPT, sampling=SamplingParams(logit_bias={INFO.vocabulary: 1.0})),
    ):
        with pytest.raises(InvalidRequest):
            await anext(pool.generate(pool.models[0], prompt))
    assert engine.prompts == []


async def test_a_template_is_compiled_once() -> None:
    pool = pool_of(FakeEngine())
    assert pool.template(pool.models[0]) is pool.template(pool.models[0])


def test_a_model_that_is_not_loaded_has_no_template_and_no_context() -> None:
    pool = pool_of(FakeEngine(model_info=EngineNotReady("loading")))
    assert pool.context_tokens == 0
    with pytest.raises(EngineNotReady):
        pool.template(pool.models[0])


def test_the_longest_context_counts() -> None:
    long = FakeEngine(model_info=replace(INFO, context_tokens=9_000))
    broken = FakeEngine(model_info=ModelLoadFailed("damaged"))
    assert pool_of(long, broken).context_tokens == 9_000


async def test_draining_waits_for_what_runs_and_admits_nothing() -> None:
    pool = pool_of(FakeEngine())
    running = pool.generate(pool.models[0], PROMPT)
    await anext(running)
    draining = asyncio.create_task(pool.drain(5))
    await asyncio.sleep(0)
    with pytest.raises(EngineNotReady, match="shutting down"):
        await anext(pool.generate(pool.models[0], PROMPT))
    assert not draining.done()
    await running.aclose()
    await draining


async def test_draining_gives_up_in_time() -> None:
    pool = pool_of(FakeEngine())
    running = pool.generate(pool.models[0], PROMPT)
    await anext(running)
    await pool.drain(0.01)
    assert pool.in_flight == 1
    await running.aclose()


async def test_closing_ends_every_engine() -> None:
    engines = FakeEngine(), FakeEngine()
    await pool_of(*engines).aclose()
    assert all(engine.closed for engine in engines)


async def test_an_offer_tells_what_is_free_and_what_waits() -> None:
    pool = pool_of(FakeEngine(step_s=0.05))
    model = pool.resolve("swarm")
    idle = pool.offer(model)
    assert (idle.free, idle.most, idle.waiting_tokens, idle.default) == (8, 8, 0, True)
    running = pool.generate(model, replace(PROMPT, n=6))
    await anext(running)
    busy = pool.offer(model)
    assert busy.free == 2
    assert busy.waiting_tokens > 0
    await running.aclose()
    assert pool.offer(model) == idle


async def test_places_that_are_kept_are_taken_by_the_generation_they_were_kept_for() -> None:
    pool = pool_of(FakeEngine())
    model = pool.models[0]
    with pool.keep(model, 5) as kept:
        assert pool.free_sequences(model) == 3
        running = pool.generate(model, replace(PROMPT, n=4), kept)
        await anext(running)
        assert pool.free_sequences(model) == 3
        await running.aclose()
        assert pool.free_sequences(model) == 7
        running = pool.generate(model, replace(PROMPT, n=2), kept)
        await anext(running)
        assert pool.free_sequences(model) == 6
    assert pool.free_sequences(model) == 6
    await running.aclose()
    assert pool.free_sequences(model) == 8


async def test_a_generation_that_is_refused_leaves_the_places_with_those_who_keep_them() -> None:
    pool = pool_of(FakeEngine(), max_requests=0)
    model = pool.models[0]
    with pool.keep(model, 2) as kept:
        with pytest.raises(Overloaded):
            await anext(pool.generate(model, PROMPT, kept))
        assert pool.free_sequences(model) == 6
    assert pool.free_sequences(model) == 8


@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 5), max_size=3)), max_size=5))
def test_whatever_is_kept_and_taken_all_is_free_in_the_end(
    requests: list[tuple[int, list[int]]],
) -> None:
    pool = pool_of(FakeEngine())
    model = pool.models[0]
    with ExitStack() as all_held, ExitStack() as all_taken:
        for count, parts in requests:
            held = all_held.enter_context(pool.keep(model, count))
            for part in parts:
                all_taken.enter_context(held.part(part))
        wanted = sum(max(count, sum(parts)) for count, parts in requests)
        assert pool.free_sequences(model) == max(0, INFO.max_sequences - wanted)
    assert pool.free_sequences(model) == INFO.max_sequences


async def test_a_cards_format_of_calls_holds_where_the_template_spells_none() -> None:
    bare = replace(INFO, chat_template="{{ tools }}")
    for template, name in (
        (bare, "mistral"),
        (replace(bare, chat_template="{{ tools }}<tool_call>"), "canonical"),
    ):
        model = ServedModel("a", FakeEngine(model_info=template), 0, "mistral")
        assert Pool([model]).template(model).call_format.name == name


@pytest.mark.parametrize(
    ("constraint", "offered"),
    [
        (Constraint(must_call=True, tools=("read",)), ("required", "read")),
        (Constraint(tools=("add",)), (None, "add")),
        (Constraint(must_call=True), ("required", "add", "read")),
        (Constraint(), (None, "add", "read")),
    ],
)
async def test_a_server_is_offered_the_tools_that_may_be_called(
    constraint: Constraint, offered: tuple[str | None, ...]
) -> None:
    """Its words for a constraint name none of them."""
    info = replace(INFO, chat_template=CHAT_TEMPLATE, constraint_template=CHAT_TEMPLATE)
    pool = pool_of(FakeEngine(model_info=info))
    tools = (ToolSpec("add", "", {}), ToolSpec("read", "", {}))
    question = Question(
        "first", (Message("user", "hi"),), SamplingParams(), tools, constraint=constraint
    )
    text = (await pool.written(pool.models[0], question)).text
    written = json.loads(text.removeprefix(CHAT_MARK))
    names = [tool["function"]["name"] for tool in written["tools"]]
    assert (written["tool_choice"], *names) == offered


async def test_templates_are_compiled_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    other = "{{ messages|length }}{% if tools %}[one]{% endif %}"
    engine = FakeEngine(model_info=replace(INFO, constraint_template=other))
    pool = pool_of(engine)
    for constraint in (Constraint(), Constraint(must_call=True)) * 2:
        question = Question(
            "first", (Message("user", "hi"),), SamplingParams(), constraint=constraint
        )
        await pool.written(pool.models[0], question)
    assert caplog.text.count("it is told ours") == 1, "each compilation would say so"


@pytest.mark.parametrize("holds_grammars", [True, False])
async def test_a_compact_prompt_is_answered_by_the_tools_as_they_were_sent(
    holds_grammars: bool,
) -> None:
    pair: Any = {"type": "array", "items": [{"type": "number"}, {"type": "string"}]}
    draft = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Place"}
    schema = {**draft, "properties": {"at": {**pair, "uniqueItems": True}}}
    template = None if holds_grammars else "{{ messages[0].content }}"
    engine = FakeEngine(model_info=replace(INFO, constraint_template=template))
    pool = pool_of(engine, forms=Forms("compact"))
    question = Question(
        "first", (Message("user", "hi"),), SamplingParams(), (ToolSpec("put", "", schema),)
    )
    asked = await pool.written(pool.models[0], question)
    assert "draft-07" not in asked.text
    parser = asked.parser(checked=True)
    pieces = parser.feed('<tool_call>{"name": "put", "arguments": {"at": [1, "a"]}}</tool_call>')
    assert pieces + parser.finish("stop")[0] == [Call("put", '{"at": [1, "a"]}')]
