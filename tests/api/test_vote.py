"""Chat answers by vote through the door, with the real SDK and an engine that speaks by script."""

import asyncio
import json
from collections.abc import AsyncGenerator
from fractions import Fraction
from typing import Any

import openai
import pytest

from swarm.engines.base import Accepted, Delta, Event, Finished, Started
from swarm.errors import ContextOverflow, EngineLost, Overloaded, SwarmError
from swarm.types import Prompt
from swarm.workers import Weights
from tests.api.conftest import StartNode
from tests.fakes import FakeEngine

HELLO: Any = [{"role": "user", "content": "hello"}]
READ: Any = {
    "type": "function",
    "function": {
        "name": "read",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}


class Voters(FakeEngine):
    """Sequence i says the i-th script, a word a step; who is through is finished at once."""

    def __init__(self, *scripts: str, step_s: float = 0.0) -> None:
        super().__init__(step_s=step_s)
        self.scripts = scripts

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        self.prompts.append(prompt)
        self.running += 1
        words = [script.split("|") for script in self.scripts[: prompt.n]]
        done = False
        try:
            yield [Accepted(5)]
            yield [Started(5, 2)]
            for at in range(max(map(len, words)) + 1):
                await asyncio.sleep(self.step_s)
                events: list[Event] = []
                for index, said in enumerate(words):
                    if at < len(said):
                        events.append(Delta(index, said[at], 1))
                    elif at == len(said):
                        events.append(Finished(index, "stop", len(said), 0.01, 0.02))
                yield events
            done = True
        finally:
            self.running -= 1
            self.cancelled += not done


async def test_the_majority_answers_and_the_verdict_is_told(start_node: StartNode) -> None:
    engine = Voters("Answer: 12", "Answer: 13|.|.|.|.", "Answer: |12")
    async with start_node(engine, usual_workers=3) as node:
        raw = await node.sdk.chat.completions.with_raw_response.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    said = raw.parse()
    assert said.choices[0].message.content == "Answer: 12"
    verdict = said.usage.swarm  # type: ignore[union-attr]
    assert (verdict["asked"], verdict["valid"], verdict["cancelled"]) == (3, 2, 1)
    assert verdict["decided_by"] == "majority"
    told = {name: raw.headers[f"x-swarm-{name}"] for name in ("decided-by", "valid", "cancelled")}
    assert told == {"decided-by": "majority", "valid": "2", "cancelled": "1"}
    assert raw.headers["x-swarm-abstained"] == "0"
    speeds = [f"{w['voter']}={w['tokens_per_s']:.2f}" for w in verdict["workers"]]
    assert raw.headers["x-swarm-tokens-per-s"] == f"{verdict['tokens_per_s']:.2f}"
    assert raw.headers["x-swarm-tokens-per-s-of-each"] == ", ".join(speeds)
    assert said.usage.completion_tokens in (1, 2)  # either is a whole answer of that class
    assert engine.cancelled == 1
    assert len(set(engine.prompts[0].temperatures)) == 3


async def test_a_vote_streams_what_is_agreed_and_the_verdict_on_the_last_chunk(
    start_node: StartNode,
) -> None:
    engine = Voters("The sum |is |12", "The sum |is |13", "The sum |is |12", step_s=0.02)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=True,
            stream_options={"include_usage": True},
        )  # fmt: skip
        chunks = [chunk async for chunk in stream]
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant"
    texts = [choice.delta.content for choice in choices if choice.delta.content]
    assert texts[0] == "The sum "
    assert "".join(texts) == "The sum is 12"
    ends = [chunk for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason]
    assert len(ends) == 1
    assert ends[0].swarm["support"] > 0.6  # type: ignore[attr-defined]
    assert chunks[-1].usage.swarm["asked"] == 3  # type: ignore[union-attr]


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


async def test_progress_shows_the_course_of_the_vote(start_node: StartNode) -> None:
    engine = Voters("a|b", "a|b|c", "a", step_s=0.01)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=True,
            extra_body={"progress": True},
        )  # fmt: skip
        told = [getattr(chunk.choices[0].delta, "reasoning_content", "") async for chunk in stream]
    assert any("0 of 3 workers" in (line or "") for line in told)


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


async def test_the_winners_log_probabilities_are_told(start_node: StartNode) -> None:
    async with start_node(FakeEngine(), usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, logprobs=True, top_logprobs=1
        )
    assert said.choices[0].logprobs is not None
    assert [token.token for token in said.choices[0].logprobs.content or ()] == [
        "Hello", " there", "."
    ]  # fmt: skip


async def test_in_a_stream_the_winners_log_probabilities_stand_on_its_last_chunk(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(), usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=True,
            logprobs=True, top_logprobs=1,
        )  # fmt: skip
        choices = [chunk.choices[0] async for chunk in stream]
    told = [choice.logprobs for choice in choices if choice.logprobs is not None]
    assert told == [choices[-1].logprobs]
    assert [each.token for each in told[0].content or ()] == ["Hello", " there", "."]


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
    assert (told["decided_by"], told["winner"], told["support"]) == ("leader", "0", 1.0)


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
            self.scripts = ("I will |not.",) if not self.prompts else (call,)
            async for step in super().generate(prompt):
                yield step

    async with start_node(Mixed(step_s=0.01), usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, tools=[READ],
            extra_body={"swarm": {"strategy": "leader"}},
        )  # fmt: skip
    assert said.choices[0].finish_reason == "tool_calls"
    assert said.usage.swarm["winner"] == "1"  # type: ignore[union-attr]


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


@pytest.mark.parametrize("strategy", ["auto", "leader"])
async def test_a_vote_whose_workers_are_all_cut_while_they_think_is_an_answer(
    start_node: StartNode, strategy: str
) -> None:
    wish: Any = {"swarm": {"strategy": strategy}}
    engine = FakeEngine(words=["<think>", "well ", "then ", "</think>", "yes"])
    async with start_node(engine, usual_workers=3) as node:
        whole = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, max_tokens=3, extra_body=wish
        )
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, max_tokens=3, extra_body=wish,
            stream=True,
        )  # fmt: skip
        chunks = [chunk.choices[0] async for chunk in stream]
    assert whole.choices[0].finish_reason == "length"
    assert whole.choices[0].message.reasoning_content == "well then"  # type: ignore[attr-defined]
    thought = [getattr(choice.delta, "reasoning_content", None) or "" for choice in chunks]
    assert "".join(thought) == "well then"
    assert chunks[-1].finish_reason == "length"


async def test_models_that_the_owner_has_weighed_vote_together(start_node: StartNode) -> None:
    weights = Weights({"beside": Fraction(2)})
    engine, strong = Voters("Answer: 1", "Answer: 3"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    verdict: Any = said.usage.swarm  # type: ignore[union-attr]
    assert said.choices[0].message.content == "Answer: 2"
    assert (verdict["asked"], verdict["support"], verdict["winner"]) == (3, 0.5, "2")
    assert [(w["model"], w["weight"]) for w in verdict["workers"]] == [
        ("fake", 1.0), ("fake", 1.0), ("beside", 2.0)
    ]  # fmt: skip


async def test_a_failing_model_leaves_the_vote_to_the_others(start_node: StartNode) -> None:
    weights = Weights({"beside": Fraction(2)})
    broken = FakeEngine(fail_after=0)
    engine = Voters("Answer: 1", "Answer: 1")
    async with start_node(engine, usual_workers=3, beside=broken, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    assert said.choices[0].message.content == "Answer: 1"
    assert said.usage.swarm["abstained"] == 1  # type: ignore[union-attr]


async def test_one_strong_voter_beside_weak_ones_answers_alone(start_node: StartNode) -> None:
    weights = Weights({"beside": Fraction(3)})
    engine, strong = Voters("weak", "weak"), Voters("strong |words")
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    assert (said.model, said.choices[0].message.content) == ("beside", "strong words")
    assert "beside answers alone" in said.usage.swarm["note"]  # type: ignore[union-attr]
    assert engine.prompts == []


async def test_n_best_distinct_answers(start_node: StartNode) -> None:
    engine = Voters("Answer: 1", "Answer: 2", "Answer: 1")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, n=2
        )
    assert [choice.message.content for choice in said.choices] == ["Answer: 1", "Answer: 2"]


@pytest.mark.parametrize("n", [2, 3])
async def test_several_choices_wait_for_all_workers(start_node: StartNode, n: int) -> None:
    engine = Voters("Answer: 1", "Answer: 1", "Answer: |2|.|.|.")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, n=n
        )
    texts = [choice.message.content for choice in said.choices]
    assert texts == ["Answer: 1", "Answer: 2...", "Answer: 1"][:n]
    assert said.usage.swarm["valid"] == 3  # type: ignore[union-attr]


async def streamed_choices(node: Any, **asked: Any) -> tuple[list[str], list[list[str]], Any]:
    """The text of each choice of a stream, the reasons that each ended with, the verdict."""
    stream = await node.sdk.chat.completions.create(
        model="swarm", messages=HELLO, temperature=0.8, stream=True, **asked
    )
    texts, ends, verdict = [""] * asked["n"], [[] for _ in range(asked["n"])], None
    async for chunk in stream:
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        ends[choice.index] += [choice.finish_reason] if choice.finish_reason else []
        verdict = getattr(chunk, "swarm", None) or verdict
    return texts, ends, verdict


@pytest.mark.parametrize("n", [2, 3])
async def test_a_stream_ends_each_of_several_choices_once(start_node: StartNode, n: int) -> None:
    engine = Voters("Answer: 1", "Answer: 1", "Answer: |2|.|.|.")
    async with start_node(engine, usual_workers=3) as node:
        texts, ends, _ = await streamed_choices(node, n=n)
    assert texts == ["Answer: 1", "Answer: 2...", "Answer: 1"][:n]
    assert ends == [["stop"]] * n


async def test_where_too_few_are_valid_the_best_is_repeated_and_it_is_said(
    start_node: StartNode,
) -> None:
    engine = Voters(" ", "Answer: |1", "Answer: 2")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, n=3
        )
        texts, ends, verdict = await streamed_choices(node, n=3)
    whole = [choice.message.content for choice in said.choices]
    assert sorted(whole[:2]) == ["Answer: 1", "Answer: 2"]  # type: ignore[type-var]
    assert whole[2] == whole[0]
    assert said.usage.completion_tokens == 3  # of the two answers, each counted once
    assert "2 valid answers for 3 choices" in said.usage.swarm["note"]  # type: ignore[union-attr]
    assert (sorted(texts[:2]), texts[2]) == (["Answer: 1", "Answer: 2"], texts[0])
    assert ends == [["stop"]] * 3
    assert "2 valid answers for 3 choices" in verdict["note"]


async def test_the_deadline_holds_for_several_choices(start_node: StartNode) -> None:
    engine = Voters("Answer: 1", "b|" * 500, step_s=0.01)
    async with start_node(engine, usual_workers=2) as node:
        texts, ends, verdict = await streamed_choices(
            node, n=2, extra_body={"swarm": {"deadline_s": 0.2}}
        )
    assert texts == ["Answer: 1", "Answer: 1"]
    assert ends == [["stop"]] * 2
    assert verdict["decided_by"] == "deadline"


async def test_fewer_voters_than_choices_are_refused(start_node: StartNode) -> None:
    async with start_node(Voters("a", "b", "c"), usual_workers=3) as node:
        with pytest.raises(openai.BadRequestError, match="n is 3") as caught:
            await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, n=3, extra_body={"swarm": {"voters": 2}}
            )
        assert caught.value.param == "n"
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, n=3, extra_body={"swarm": {"voters": 1}}
        )
    assert [choice.message.content for choice in said.choices] == ["a", "b", "c"]


@pytest.mark.parametrize("model", ["swarm-fast", "fake-fast"])
async def test_a_fast_id_is_one_worker(start_node: StartNode, model: str) -> None:
    engine = Voters("one", "two", "three")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(model=model, messages=HELLO)
    assert engine.prompts[0].n == 1
    assert said.usage.swarm["decided_by"] == "only one"  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["swarm-fast", "fake-fast"])
@pytest.mark.parametrize("wish", [{"voters": 3}, {"strategy": "exact"}])
async def test_a_fast_id_votes_where_that_is_asked_for(
    start_node: StartNode, model: str, wish: Any
) -> None:
    engine = Voters("Answer: 1", "Answer: 2", "Answer: 1")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model=model, messages=HELLO, temperature=0.8, extra_body={"swarm": wish}
        )
    assert engine.prompts[0].n == 3
    assert said.choices[0].message.content == "Answer: 1"
    assert said.usage.swarm["asked"] == 3  # type: ignore[union-attr]


async def test_a_fast_id_that_votes_does_so_with_the_models_that_are_weighed(
    start_node: StartNode,
) -> None:
    weights = Weights({"beside": Fraction(2)})
    engine, strong = Voters("Answer: 1", "Answer: 3"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm-fast", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"voters": 3}},
        )  # fmt: skip
    assert said.usage.swarm["winner"] == "2"  # type: ignore[union-attr]


async def test_the_best_is_the_answer_of_the_most_trusted_voter(start_node: StartNode) -> None:
    weights = Weights({"fake": Fraction(3, 2), "beside": Fraction(2)})
    engine, strong = Voters("Answer: 1", "Answer: 1"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"strategy": "best"}},
        )  # fmt: skip
    verdict: Any = said.usage.swarm  # type: ignore[union-attr]
    assert said.choices[0].message.content == "Answer: 2"
    assert (verdict["winner"], verdict["support"], verdict["margin"]) == ("2", 0.4, -0.2)


async def test_at_temperature_0_voters_that_are_asked_for_run_and_it_is_said(
    start_node: StartNode,
) -> None:
    engine = Voters("one", "one", "one")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0, extra_body={"swarm": {"voters": 3}}
        )
    assert engine.prompts[0].n == 3
    assert "temperature 0" in said.usage.swarm["note"]  # type: ignore[union-attr]


async def test_at_temperature_0_one_worker_answers_and_it_is_said(start_node: StartNode) -> None:
    engine = Voters("one", "two", "three")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, temperature=0)
    assert engine.prompts[0].n == 1
    assert "temperature 0" in said.usage.swarm["note"]  # type: ignore[union-attr]


async def test_headers_say_what_the_body_does_not(start_node: StartNode) -> None:
    engine = Voters("a", "b", "c", "d")
    async with start_node(engine, usual_workers=3) as node:
        await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_headers={"x-swarm-voters": "2", "x-swarm-decide": "all"},
        )  # fmt: skip
    assert engine.prompts[0].n == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline_s", "-1"),
        ("ask_again", "maybe"),
        ("voters", "many"),
        ("strategy", "guess"),
        ("voter", "3"),
    ],
)
async def test_every_wish_has_a_header(start_node: StartNode, name: str, value: str) -> None:
    header = f"X-Swarm-{name.replace('_', '-').title()}"
    async with start_node(Voters("a"), usual_workers=3) as node:
        with pytest.raises(openai.BadRequestError, match=f"swarm.{name}"):
            await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, extra_headers={header: value}
            )


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"strategy": "guess"}, "swarm.strategy"),
        ({"voters": 0}, "swarm.voters"),
        ({"voter": 3}, "swarm.voter: there is no such field; there are strategy, voters"),
        ({"voters": 99}, "at most 8"),
        ({"deadline_s": -1}, "swarm.deadline_s"),
        ({"strategy": "leader"}, "leader gives one answer, not 2"),
        ({"strategy": "first"}, "first gives one answer, not 2"),
        ({"stream": "leader", "strategy": "medoid"}, 'which strategy "medoid" cannot choose'),
        ({"stream": "decided", "strategy": "leader"}, "swarm.stream"),
        ({"decide": "exact", "strategy": "best"}, 'swarm.decide: "best" says itself'),
        ({"decide": "all", "stream": "leader"}, 'swarm.decide: "leader" says itself'),
    ],
)
async def test_wrong_wishes_are_refused(start_node: StartNode, wish: Any, said: str) -> None:
    async with start_node(Voters("a"), usual_workers=3) as node:
        with pytest.raises(openai.BadRequestError, match=said):
            await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, n=2, extra_body={"swarm": wish}
            )


async def test_when_all_workers_fail_the_error_says_so(start_node: StartNode) -> None:
    async with start_node(FakeEngine(fail_after=1), usual_workers=3) as node:
        with pytest.raises(openai.InternalServerError, match="ended in the middle"):
            await node.sdk.chat.completions.create(model="swarm", messages=HELLO, temperature=0.8)
    async with start_node(FakeEngine(words=["no JSON"]), usual_workers=3) as node:
        with pytest.raises(openai.InternalServerError, match="no worker gave a valid answer"):
            await node.sdk.chat.completions.create(
                model="swarm",
                messages=HELLO,
                temperature=0.8,
                response_format={"type": "json_object"},
            )


async def test_when_all_workers_end_without_a_word_so_does_the_answer(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(words=[""]), usual_workers=3) as node:
        for name in ("swarm", "swarm-fast"):
            answer = await node.sdk.chat.completions.create(model=name, messages=HELLO)
            assert (answer.choices[0].message.content or "") == ""
            assert answer.choices[0].finish_reason == "stop"


async def test_a_client_that_leaves_in_the_middle_of_a_vote_frees_all(
    start_node: StartNode,
) -> None:
    engine = Voters("a|" * 500, "b|" * 500, "c|" * 500, step_s=0.01)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=True
        )
        await anext(aiter(stream))
        assert engine.running == 1
        await stream.close()
        async with asyncio.timeout(1):
            while engine.running:  # noqa: ASYNC110 - the fake has no event for it
                await asyncio.sleep(0.01)


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


@pytest.mark.parametrize("strategy", ["auto", "leader", "first"])
async def test_a_prompt_that_is_too_long_is_a_status_before_any_stream(
    start_node: StartNode, strategy: str
) -> None:
    """A client compacts on a 400 and not on an event of a stream that has begun."""
    async with start_node(FakeEngine(), usual_workers=3) as node:
        with pytest.raises(openai.BadRequestError) as caught:
            await node.sdk.chat.completions.create(
                model="swarm",
                messages=[{"role": "user", "content": "long " * 2000}],
                stream=True,
                extra_body={"swarm": {"strategy": strategy, "progress": True}},
            )
    assert caught.value.code == "context_length_exceeded"


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
