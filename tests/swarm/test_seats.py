"""Who can answer: this node's models, and peers."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest

from swarm.errors import EngineNotReady, UnknownModel
from swarm.pool import Pool, ServedModel
from swarm.propose import OwnProposer
from swarm.proposer import Offer, Told
from swarm.seats import Seats
from swarm.team import Team, strongest_alone, team
from swarm.types import Question
from swarm.workers import VoteWeights
from tests.fakes import FakeEngine


@dataclass
class FakePeer:
    model: str
    name: str = "kitchen"
    names: tuple[str, ...] = ("kitchen",)
    node: str = "k"
    address: str = "10.0.0.2"

    def models(self) -> tuple[str, ...]:
        return (self.model,)

    def offer(self, model: str) -> Offer | None:
        return Offer(self.model, 3, 8, 8) if model in ("swarm", self.model) else None

    def won(self) -> None: ...

    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        yield []


def pool_of(*engines: FakeEngine, **weights: int) -> Pool:
    served = [ServedModel(n, e, 0) for n, e in zip(("first", "second"), engines, strict=False)]
    weighed = VoteWeights({name: Fraction(weight) for name, weight in weights.items()})
    return Pool(served, usual_workers=3, weights=weighed)


def seated(pool: Pool, model: str = "swarm", asked: int | None = None) -> list[Any]:
    seats = Seats.of(model, OwnProposer(pool), (), beside=pool.weighed_beside(model))
    whole = team(seats.all, asked, temperature_0=False)
    answering = strongest_alone(seats.all, whole, pool.weights) if asked is None else whole
    parties = seats.parties(answering, pool.weights)
    return [(party.model, len(party.voters), party.voters[0].weight) for party in parties]


def test_another_model_votes_in_the_swarm_where_the_owner_has_weighed_it() -> None:
    assert seated(pool_of(FakeEngine(), FakeEngine())) == [("first", 3, 1)]
    pool = pool_of(FakeEngine(), FakeEngine(), second=2)
    assert seated(pool) == [("first", 2, 1), ("second", 1, 2)]
    assert seated(pool, asked=5) == [("first", 4, 1), ("second", 1, 2)]
    assert seated(pool, asked=1) == [("first", 1, 1)]
    assert seated(pool, "first") == [("first", 3, 1)]


def test_a_model_that_is_not_loaded_does_not_vote() -> None:
    waiting = FakeEngine(model_info=EngineNotReady("loading", retry_after_s=1))
    assert seated(pool_of(FakeEngine(), waiting, second=2)) == [("first", 3, 1)]


def test_a_voter_that_outweighs_all_others_answers_alone() -> None:
    pool = pool_of(FakeEngine(), FakeEngine(), second=3)
    assert seated(pool) == [("second", 1, 3)]
    assert seated(pool, asked=3) == [("first", 2, 1), ("second", 1, 3)]


def test_voters_have_ids_of_their_own() -> None:
    pool = pool_of(FakeEngine(), FakeEngine(), second=1)
    peers = [FakePeer("other")]
    seats = Seats.of("swarm", OwnProposer(pool), peers, beside=pool.weighed_beside("swarm"))
    parties = seats.parties(Team((2, 1, 2)), pool.weights)
    ids = [voter.id for party in parties for voter in party.voters]
    assert ids == ["0", "1", "2", "kitchen/0", "kitchen/1"]


def test_a_model_that_only_a_peer_holds_is_answered_there() -> None:
    seats = Seats.of("other", OwnProposer(pool_of(FakeEngine())), [FakePeer("other")])
    assert [(seat.name, seat.own) for seat in seats.all] == [("kitchen", False)]


def test_a_model_that_nobody_holds_is_named_with_those_there_are() -> None:
    own = OwnProposer(pool_of(FakeEngine()))
    peers = [FakePeer("other"), FakePeer("first"), FakePeer("other")]
    with pytest.raises(UnknownModel) as error:
        Seats.of("third", own, peers)
    assert error.value.known == ("swarm", "swarm-fast", "first", "first-fast", "other")


def test_before_its_model_is_loaded_a_node_leaves_the_answer_to_peers() -> None:
    error = EngineNotReady("loading", retry_after_s=1)
    own = OwnProposer(pool_of(FakeEngine(model_info=error)))
    with pytest.raises(EngineNotReady):
        Seats.of("swarm", own, [])
    assert [seat.name for seat in Seats.of("swarm", own, [FakePeer("other")]).all] == ["kitchen"]


def test_a_peer_is_weighed_by_each_of_its_names() -> None:
    peers = [
        FakePeer("strong", "laptop", (f"laptop-{node}", "laptop"), node, f"10.0.0.{at}")
        for at, node in enumerate(("2b2d", "8bcb"), 1)
    ]
    seats = Seats.of("swarm", OwnProposer(pool_of(FakeEngine())), peers)
    for weights, shown in (
        ({"laptop": Fraction(5)}, [5, 5]),
        ({"laptop-8bcb": Fraction(1, 2)}, [1, Fraction(1, 2)]),
    ):
        parties = seats.parties(Team((0, 1, 1)), VoteWeights(weights))
        assert [party.voters[0].weight for party in parties] == shown
