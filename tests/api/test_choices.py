"""Several choices of one vote, through the door."""

from typing import Any

import openai
import pytest

from tests.api.conftest import StartNode
from tests.api.voters import HELLO, Voters


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
