"""Where one worker answers instead of a vote: by the model's id, at temperature 0."""

from fractions import Fraction
from typing import Any

import pytest

from swarm.workers import VoteWeights
from tests.api.conftest import StartNode
from tests.api.voters import HELLO, Voters


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
    weights = VoteWeights({"beside": Fraction(2)})
    engine, strong = Voters("Answer: 1", "Answer: 3"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm-fast", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"voters": 3}},
        )  # fmt: skip
    assert said.usage.swarm["winner"] == "2"  # type: ignore[union-attr]


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


@pytest.mark.parametrize("temperature", [0, 1e-7])
async def test_at_temperature_0_one_worker_answers_and_it_is_said(
    start_node: StartNode, temperature: float
) -> None:
    engine = Voters("one", "two", "three")
    async with start_node(engine, usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=temperature
        )
    assert engine.prompts[0].n == 1
    assert "temperature 0" in said.usage.swarm["note"]  # type: ignore[union-attr]
