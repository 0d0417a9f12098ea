"""Chat answers by vote through the door, with the real SDK and an engine that speaks by script."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import openai
import pytest

from swarm.chat.completion import Text
from swarm.engines.base import Event, Failed, Started
from swarm.errors import Overloaded
from swarm.proposer import Began, Ended, Offer, Said
from swarm.types import Prompt
from tests.api.conftest import StartNode
from tests.api.test_counted import Peer
from tests.api.voters import HELLO, Voters
from tests.fakes import FakeEngine


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


class FirstIsRefused(Voters):
    """The first sequence is one too many."""

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        async with aclosing(super().generate(prompt)) as steps:
            async for step in steps:
                if isinstance(step[0], Started):
                    yield [Failed(0, Overloaded("1 concurrent request", retry_after_s=9))]
                yield [event for event in step if getattr(event, "index", 1)]


async def test_a_worker_that_fails_abstains_and_the_verdict_says_why(
    start_node: StartNode,
) -> None:
    async with start_node(FirstIsRefused("", "12", "12"), usual_workers=3) as node:
        answer = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    assert answer.choices[0].message.content == "12"
    verdict = answer.usage.swarm  # type: ignore[union-attr]
    assert (verdict["asked"], verdict["valid"], verdict["abstained"]) == (3, 2, 1)
    failed = verdict["workers"][0]
    assert (failed["state"], failed["why"]) == ("failed", "1 concurrent request")


async def test_of_samples_that_nobody_votes_on_each_is_needed(start_node: StartNode) -> None:
    async with start_node(FirstIsRefused("", "12"), usual_workers=3) as node:
        asked = {"n": 2, "temperature": 0.8, "max_tokens": 9}
        for refused in (
            node.sdk.chat.completions.create(model="swarm-fast", messages=HELLO, **asked),
            node.sdk.completions.create(model="fake", prompt="p", **asked),
        ):
            with pytest.raises(openai.RateLimitError, match="1 concurrent request") as raised:
                await refused
            assert raised.value.response.headers["Retry-After"] == "9"


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


@pytest.mark.parametrize(("stream", "given"), [(True, "Blue"), (False, "Red")])
async def test_only_a_streamed_answer_is_held_to_what_was_written_before_it_was_decided(
    start_node: StartNode, stream: bool, given: str
) -> None:
    """No answer is valid; the longest is alone for a while."""
    red, blue = "Red: " + "|and so on " * 40, "Blue: " + "|on and on " * 60
    async with start_node(Voters(red, red, blue), usual_workers=3) as node:
        asked = node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=stream
        )  # type: ignore[call-overload]
        said: Any = await asked
        if stream:
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in said])
        else:
            text = said.choices[0].message.content
    assert text.startswith(given)


async def test_progress_shows_the_course_of_the_vote(start_node: StartNode) -> None:
    engine = Voters("a|b", "a|b|c", "a", step_s=0.01)
    async with start_node(engine, usual_workers=3) as node:
        stream = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, stream=True,
            extra_body={"progress": True},
        )  # fmt: skip
        told = [getattr(chunk.choices[0].delta, "reasoning_content", "") async for chunk in stream]
    assert any("0 of 3 workers" in (line or "") for line in told)


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


class ThreeOfAMind(Peer):
    """A peer with three workers that all say the same."""

    def __init__(self, answer: str) -> None:
        said = Said((Text(answer),), 1)
        super().__init__(
            [(at, Began(5, 0)) for at in range(3)],
            [told for at in range(3) for told in ((at, said), (at, Ended("stop", 1)))],
        )

    def offer(self, model: str) -> Offer | None:
        return Offer(model, usual=3, free=3, most=3)


@pytest.mark.parametrize(("own", "wins"), [(1, 1), (5, 0)])
async def test_a_win_is_counted_to_the_peer_that_it_came_from(
    start_node: StartNode, own: int, wins: int
) -> None:
    engine, peer = Voters(*["Answer: 1"] * own), ThreeOfAMind("Answer: 2")
    async with start_node(engine, usual_workers=own, peers=(peer,)) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    assert said.choices[0].message.content == f"Answer: {1 + wins}"
    assert peer.wins == wins


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
