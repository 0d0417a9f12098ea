"""Plain completions through the door."""

from collections.abc import AsyncGenerator
from typing import Any

import openai
import pytest

from swarm.engines.base import Delta, Event, Finished, Started
from swarm.errors import GenerationFailed
from swarm.types import Prompt, TokenLogprob
from tests.api.conftest import Node, StartNode
from tests.fakes import FakeEngine


async def test_a_string_is_continued(node: Node) -> None:
    said = await node.sdk.completions.create(model="swarm", prompt="Once")
    assert said.object == "text_completion"
    assert said.choices[0].text == "Hello there."
    assert said.choices[0].finish_reason == "stop"
    assert node.engine.prompts[0].text == "Once"
    assert node.engine.prompts[0].sampling.max_tokens == 16


async def test_token_ids_reach_the_engine(node: Node) -> None:
    await node.sdk.completions.create(model="swarm", prompt=[1, 2, 3])
    assert node.engine.prompts[0].text == (1, 2, 3)


async def test_token_ids_that_the_model_does_not_have_are_refused(node: Node) -> None:
    with pytest.raises(openai.BadRequestError, match="token 5000"):
        await node.sdk.completions.create(model="swarm", prompt=[1, 5000])


@pytest.mark.parametrize("prompts", [["ab", "c"], [[1, 2], [3]]])
async def test_several_prompts_give_choices_in_their_order(
    start_node: StartNode, prompts: Any
) -> None:
    engine = FakeEngine(answer=lambda prompt: [str(len(prompt.text))])
    async with start_node(engine) as node:
        said = await node.sdk.completions.create(model="swarm", prompt=prompts, n=2)
    assert [(choice.index, choice.text) for choice in said.choices] == [
        (0, "2"),
        (1, "2"),
        (2, "1"),
        (3, "1"),
    ]
    assert said.usage is not None
    assert said.usage.prompt_tokens == 3


async def test_several_prompts_can_be_streamed(node: Node) -> None:
    stream = await node.sdk.completions.create(
        model="swarm", prompt=["a", "b"], stream=True, stream_options={"include_usage": True}
    )
    texts = {0: "", 1: ""}
    finished: list[int] = []
    usage = None
    async for chunk in stream:
        usage = chunk.usage
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            finished += [choice.index] if choice.finish_reason else []
    assert texts == {0: "Hello there.", 1: "Hello there."}
    assert sorted(finished) == [0, 1]
    assert usage is not None


async def test_one_prompt_too_long_is_a_status_before_the_stream(node: Node) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await node.sdk.completions.create(model="swarm", prompt=["a", "b" * 5000], stream=True)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "prompt[1]"
    assert node.pool.in_flight == 0


@pytest.mark.parametrize("prompt", ["b" * 5000, [7] * 5000])
async def test_a_prompt_too_long_is_named(node: Node, prompt: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await node.sdk.completions.create(model="swarm", prompt=prompt)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "prompt")


@pytest.mark.parametrize(
    ("prompt", "param"),
    [([1, 5000], "prompt"), ([[1], [5000]], "prompt[1]")],
)
async def test_a_prompt_that_is_wrong_is_named(node: Node, prompt: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await node.sdk.completions.create(model="swarm", prompt=prompt)
    assert caught.value.param == param


async def test_what_is_wrong_for_all_prompts_is_named_by_its_own_field(node: Node) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await node.sdk.completions.create(
            model="swarm", prompt=["a", "b"], logit_bias={"999999": 1}
        )
    assert caught.value.param == "logit_bias.999999"


async def test_a_failure_of_one_of_several_prompts_is_an_error(start_node: StartNode) -> None:
    async with start_node(FakeEngine(fail_after=1)) as node:
        with pytest.raises(openai.InternalServerError):
            await node.sdk.completions.create(model="swarm", prompt=["a", "b"])
        assert node.engine.running == 0


async def test_logprobs_have_the_old_form(node: Node) -> None:
    said = await node.sdk.completions.create(model="swarm", prompt="x", logprobs=1)
    logprobs = said.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == ["Hello", " there", "."]
    assert logprobs.text_offset == [0, 5, 11]
    assert logprobs.top_logprobs is not None
    assert logprobs.top_logprobs[0] == {"r0": -1.0}


class SplitEngine(FakeEngine):
    """Says a character in the bytes of three tokens, a control token that shows nothing, and x."""

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        yield [Started(1, 0)]
        for text, token, utf8 in [
            ("", "\ufffd", b"\xe2\x80"),
            ("\u2028", "\ufffd", b"\xa8"),
            ("", "<eot>", b""),
            ("x", "x", b"x"),
        ]:
            yield [Delta(0, text, 1, (TokenLogprob(token, utf8, -0.5, SPLIT_RIVALS),))]
        yield [Finished(0, "stop", 4, 0.1, 0.1)]


SPLIT_RIVALS = (
    TokenLogprob("\ufffd", b"\xe2\x80", -0.5),
    TokenLogprob("\ufffd", b"\xe2", -1.0),
    TokenLogprob("a", b"a", -2.0),
    TokenLogprob("a", b"a", -3.0),
)


async def test_offsets_count_characters_that_several_tokens_spell_once(
    start_node: StartNode,
) -> None:
    asked: Any = {"model": "swarm", "prompt": "x", "logprobs": 4}
    async with start_node(SplitEngine()) as node:
        said = await node.sdk.completions.create(**asked)
        stream = await node.sdk.completions.create(**asked, stream=True)
        chunks = [chunk.choices[0].logprobs async for chunk in stream]
    assert said.choices[0].text == "\u2028x"
    assert said.choices[0].logprobs is not None
    assert said.choices[0].logprobs.text_offset == [0, 0, 1, 1]
    streamed = [at for logprobs in chunks if logprobs for at in logprobs.text_offset or ()]
    assert streamed == [0, 0, 1, 1]


async def test_parts_of_characters_are_told_apart_in_the_old_form(start_node: StartNode) -> None:
    async with start_node(SplitEngine()) as node:
        said = await node.sdk.completions.create(model="swarm", prompt="x", logprobs=4)
    logprobs = said.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.tokens == [r"bytes:\xe2\x80", r"bytes:\xa8", "<eot>", "x"]
    assert logprobs.top_logprobs is not None
    told = {r"bytes:\xe2\x80": -0.5, r"bytes:\xe2": -1.0, "a": -2.0}
    assert [list(top.items()) for top in logprobs.top_logprobs] == [list(told.items())] * 4


async def test_an_engine_that_fails_at_once_is_a_status(start_node: StartNode) -> None:
    async with start_node(FakeEngine(error=GenerationFailed("it died"))) as node:
        with pytest.raises(openai.InternalServerError, match="it died"):
            await node.sdk.completions.create(model="swarm", prompt="x", stream=True)


@pytest.mark.parametrize(
    "fields", [{"echo": True}, {"suffix": "end"}, {"best_of": 3}, {"logprobs": 21}]
)
async def test_what_cannot_be_honoured_is_named(node: Node, fields: dict[str, Any]) -> None:
    (name,) = fields
    with pytest.raises(openai.BadRequestError) as caught:
        await node.sdk.completions.create(model="swarm", prompt="x", **fields)
    assert caught.value.param == name
