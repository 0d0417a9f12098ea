"""Votes of models that the owner has weighed, through the door."""

from fractions import Fraction
from typing import Any

from swarm.workers import VoteWeights
from tests.api.conftest import StartNode
from tests.api.voters import HELLO, Voters
from tests.fakes import FakeEngine


async def test_models_that_the_owner_has_weighed_vote_together(start_node: StartNode) -> None:
    weights = VoteWeights({"beside": Fraction(2)})
    engine, strong = Voters("Answer: 1", "Answer: 3"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    verdict: Any = said.usage.swarm  # type: ignore[union-attr]
    assert said.choices[0].message.content == "Answer: 2"
    assert (verdict["asked"], verdict["support"], verdict["winner"]) == (3, 0.5, "2")
    assert verdict["note"] is None
    assert [(w["model"], w["weight"]) for w in verdict["workers"]] == [
        ("fake", 1.0), ("fake", 1.0), ("beside", 2.0)
    ]  # fmt: skip


async def test_a_failing_model_leaves_the_vote_to_the_others(start_node: StartNode) -> None:
    weights = VoteWeights({"beside": Fraction(2)})
    broken = FakeEngine(fail_after=0)
    engine = Voters("Answer: 1", "Answer: 1")
    async with start_node(engine, usual_workers=3, beside=broken, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    assert said.choices[0].message.content == "Answer: 1"
    assert said.usage.swarm["abstained"] == 1  # type: ignore[union-attr]


async def test_one_strong_voter_beside_weak_ones_answers_alone(start_node: StartNode) -> None:
    weights = VoteWeights({"beside": Fraction(3)})
    engine, strong = Voters("weak", "weak"), Voters("strong |words")
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8
        )
    assert (said.model, said.choices[0].message.content) == ("beside", "strong words")
    assert "beside answers alone" in said.usage.swarm["note"]  # type: ignore[union-attr]
    assert engine.prompts == []


async def test_a_strong_voter_has_beside_it_the_voters_that_were_asked_for(
    start_node: StartNode,
) -> None:
    weights = VoteWeights({"beside": Fraction(3)})
    engine, strong = Voters("weak", "weak"), Voters("strong |words")
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"voters": 3, "decide": "all"}},
        )  # fmt: skip
    assert said.usage.swarm["asked"] == 3  # type: ignore[union-attr]
    assert [prompt.n for prompt in engine.prompts] == [2]


async def test_each_voter_has_a_seed_of_its_own(start_node: StartNode) -> None:
    weights = VoteWeights({"beside": Fraction(1)})
    engine, other = Voters("Answer: 1", "Answer: 3"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=other, weights=weights) as node:
        await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8, seed=5
        )
    prompts = [*engine.prompts, *other.prompts]
    assert [(prompt.sampling.seed, prompt.n) for prompt in prompts] == [(5, 2), (7, 1)]


async def test_the_best_is_the_answer_of_the_most_trusted_voter(start_node: StartNode) -> None:
    weights = VoteWeights({"fake": Fraction(3, 2), "beside": Fraction(2)})
    engine, strong = Voters("Answer: 1", "Answer: 1"), Voters("Answer: |2", step_s=0.01)
    async with start_node(engine, usual_workers=3, beside=strong, weights=weights) as node:
        said = await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, temperature=0.8,
            extra_body={"swarm": {"strategy": "best"}},
        )  # fmt: skip
    verdict: Any = said.usage.swarm  # type: ignore[union-attr]
    assert said.choices[0].message.content == "Answer: 2"
    assert (verdict["winner"], verdict["support"], verdict["margin"]) == ("2", 0.4, -0.2)
