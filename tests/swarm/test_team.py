"""Who answers, and what the votes weigh."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from swarm.errors import InvalidRequest, Overloaded
from swarm.proposer import Offer
from swarm.team import Seat, Team, alone, strongest_alone, team, voters_of
from swarm.workers import VoteWeights


def seat(at: int, *, model: str = "m", address: str = "", waiting: int = 0, **offer: int) -> Seat:
    sizes = {"usual": 3, "free": 8, "most": 8} | offer
    return Seat(
        node=f"n{at}",
        name=f"host{at}",
        address=address or f"10.0.0.{at}",
        offer=Offer(model, **sizes, waiting_tokens=waiting),
        own=at == 0,
    )


def test_every_node_gives_its_usual_workers():
    assert team([seat(0), seat(1, usual=5)], None, temperature_0=False) == Team((3, 5))


def test_under_load_there_are_fewer_down_to_one_and_it_is_said():
    few = team([seat(0, usual=5, free=2)], None, temperature_0=False)
    assert few == Team((2,), "2 of 5 workers: the node is busy")
    none = team(
        [seat(0, free=0, waiting=900), seat(1, free=0, waiting=5)], None, temperature_0=False
    )
    assert none == Team((0, 1), "1 of 6 workers: nodes are busy")


def test_a_full_node_leaves_the_answer_to_the_others():
    assert team([seat(0, free=0), seat(1)], None, temperature_0=False).counts == (0, 3)


def test_at_temperature_0_one_worker_of_each_model_is_enough():
    alone = team([seat(0)], None, temperature_0=True)
    assert alone.size == 1
    assert "one is enough" in (alone.note or "")
    assert team([seat(0), seat(1), seat(2, model="o")], None, temperature_0=True).counts == (
        1,
        0,
        1,
    )


def test_at_temperature_0_a_full_node_leaves_the_answer_to_another_with_the_model():
    def counts(*seats: Seat, n: int = 1) -> tuple[int, ...]:
        return team(seats, None, temperature_0=True, n=n).counts

    full = seat(0, free=0)
    assert counts(full, seat(1)) == (0, 1)
    assert counts(full, seat(1), seat(2, model="o")) == (0, 1, 1)
    assert counts(full, seat(1, model="o")) == (1, 1)
    assert counts(seat(1, free=0), seat(2, waiting=7), seat(3, waiting=3)) == (0, 0, 1)
    assert counts(full, seat(1, free=0)) == (1, 0)
    assert counts(full, seat(1), n=3) == (1, 0), "one worker of a peer gives one choice"


def test_a_number_that_was_asked_for_is_kept_or_refused():
    seats = [seat(0, free=1), seat(1, free=4)]
    assert team(seats, 4, temperature_0=False) == Team((1, 3))
    with pytest.raises(Overloaded, match="5 are free"):
        team(seats, 6, temperature_0=False)
    with pytest.raises(InvalidRequest, match="at most 16"):
        team(seats, 17, temperature_0=False)


def test_as_many_workers_as_choices_are_asked_for():
    assert team([seat(0)], None, temperature_0=False, n=5).counts == (5,)


def test_choices_beyond_the_usual_workers_make_no_node_busy():
    two_models = [seat(0), seat(0, model="o", usual=1, free=1, most=1)]
    assert team(two_models, None, temperature_0=False, n=4) == Team((4, 1))
    assert team([seat(0, free=4), seat(1)], None, temperature_0=False, n=8) == Team((4, 4))
    few = team([seat(0, usual=5, free=2), *two_models[1:]], None, temperature_0=False)
    assert few == Team((2, 1), "3 of 6 workers: the node is busy")


def test_for_more_choices_than_are_free_the_client_comes_back():
    with pytest.raises(Overloaded, match=r"n is 3.*2 are free"):
        team([seat(0, free=2)], None, temperature_0=False, n=3)
    assert team([seat(0, free=2), seat(1, usual=1)], None, temperature_0=False, n=5).counts == (
        2,
        3,
    )


def test_each_choice_needs_a_voter_unless_one_worker_gives_them_all():
    with pytest.raises(InvalidRequest, match="n is 3") as caught:
        team([seat(0)], 2, temperature_0=False, n=3)
    assert caught.value.param == "n"
    assert team([seat(0)], 3, temperature_0=False, n=3).counts == (3,)
    assert team([seat(0, free=0), seat(1)], 1, temperature_0=False, n=3).counts == (1, 0)


def test_voters_that_are_asked_for_run_at_temperature_0_too_and_it_is_said():
    asked = team([seat(0)], 5, temperature_0=True)
    assert asked.counts == (5,)
    assert "all workers say the same" in (asked.note or "")
    assert team([seat(0)], 1, temperature_0=True).note is None


def test_one_worker_is_of_this_node_unless_it_is_full_and_another_is_not():
    assert alone([seat(0, waiting=900), seat(1)]).counts == (1, 0)
    assert alone([seat(0, free=0), seat(1, waiting=7), seat(2, waiting=3)]).counts == (0, 0, 1)
    assert alone([seat(0, free=0), seat(1, free=0)]).counts == (1, 0)
    assert alone([seat(1, waiting=7), seat(2, waiting=3)]).counts == (0, 1)
    assert alone([seat(0, free=0), seat(1)], n=3).counts == (1, 0)


def test_weights_are_given_by_node_or_model():
    voters = voters_of([seat(0), seat(1, model="big")], (1, 1), VoteWeights({"big": Fraction(2)}))
    assert [[v.weight for v in own] for own in voters] == [[1], [2]]
    assert [[v.id for v in own] for own in voters] == [["0"], ["host1/0"]]


def test_no_address_outvotes_the_median_one():
    seats = [seat(0), seat(1), seat(2, usual=64)]
    voters = voters_of(seats, (3, 3, 64), VoteWeights())
    assert [sum(v.weight for v in own) for own in voters] == [3, 3, 3]
    minted = [seat(0), seat(1), seat(2, address="10.0.0.9"), seat(3, address="10.0.0.9")]
    totals = [sum(v.weight for v in own) for own in voters_of(minted, (3, 3, 3, 3), VoteWeights())]
    assert totals[2] + totals[3] == 3


@given(st.lists(st.integers(1, 64), min_size=3, max_size=9), st.data())
def test_liars_of_a_minority_of_nodes_never_outweigh_the_honest(
    sizes: list[int], data: st.DataObject
):
    """One liar of three, two of five: whatever number of workers they claim."""
    liars = (len(sizes) - 1) // 2
    honest = [3] * (len(sizes) - liars)
    claims = [*honest, *data.draw(st.lists(st.integers(1, 64), min_size=liars, max_size=liars))]
    seats = [replace(seat(at), own=False) for at in range(len(claims))]
    totals = [sum(v.weight for v in own) for own in voters_of(seats, claims, VoteWeights())]
    assert sum(totals[: len(honest)]) > sum(totals[len(honest) :])


def test_more_choices_than_there_are_workers_are_refused():
    with pytest.raises(InvalidRequest, match="n is at most 8 here, not 9"):
        team([seat(0)], None, temperature_0=False, n=9)


def test_one_that_outweighs_all_others_together_answers_alone():
    seats = [seat(0, usual=2), seat(1, usual=1, model="big")]
    everyone = team(seats, None, temperature_0=False)
    strong = strongest_alone(seats, everyone, VoteWeights({"big": Fraction(3)}))
    assert strong.counts == (0, 1)
    assert "host1 (big) answers alone" in (strong.note or "")
    assert strongest_alone(seats, everyone, VoteWeights({"big": Fraction(2)})) == everyone


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 2), st.sampled_from([1, 2, 9])),
        min_size=2,
        max_size=5,
    )
)
@example([(0, 1, 1), (1, 1, 1), (2, 1, 5)])
def test_who_answers_alone_outweighs_the_others_in_a_vote_too(
    claims: list[tuple[int, int, int]],
):
    seats = [
        seat(at, usual=workers, model=f"m{at}", address=f"10.0.0.{address}")
        for at, (address, workers, _) in enumerate(claims)
    ]
    weights = VoteWeights({f"m{at}": Fraction(weight) for at, (*_, weight) in enumerate(claims)})
    everyone = team(seats, None, temperature_0=False)
    strong = strongest_alone(seats, everyone, weights)
    voters = voters_of(seats, everyone.counts, weights)
    all_weight = sum(voter.weight for own in voters for voter in own)
    heaviest = max(voter.weight for own in voters for voter in own)
    assert (strong == everyone) == (2 * heaviest <= all_weight)
    if len({address for address, *_ in claims}) > 2:
        assert strong == everyone, "a peer's word that it holds a strong model silences nobody"
