"""How many workers answer."""

from fractions import Fraction

import pytest

from swarm.errors import InvalidRequest, Overloaded
from swarm.workers import crew, outweighing, temperatures, usual_workers


def test_the_machine_says_how_many_are_usual():
    assert usual_workers(2, accelerated=False) == 3
    assert usual_workers(8, accelerated=False) == 5
    assert usual_workers(2, accelerated=True) == 5


def test_under_load_there_are_fewer_down_to_one_and_it_is_said():
    assert crew(None, usual=5, temperature=0.8, free=40, most=64).note is None
    few = crew(None, usual=5, temperature=0.8, free=2, most=64)
    assert (few.size, few.note) == (2, "2 of 5 workers: the node is busy")
    assert crew(None, usual=5, temperature=0.8, free=0, most=64).size == 1


def test_at_temperature_0_one_is_enough():
    one = crew(None, usual=5, temperature=0.0, free=40, most=64)
    assert one.size == 1
    assert "temperature 0" in (one.note or "")


def test_a_number_that_was_asked_for_is_kept_or_refused():
    assert crew(9, usual=5, temperature=0.0, free=9, most=64).size == 9
    with pytest.raises(Overloaded):
        crew(9, usual=5, temperature=0.8, free=8, most=64)
    with pytest.raises(InvalidRequest, match="at most 64"):
        crew(65, usual=5, temperature=0.8, free=8, most=64)


def test_one_voter_may_weigh_more_than_all_others_together():
    def place(*weights: float) -> int | None:
        return outweighing([Fraction(str(weight)) for weight in weights])

    assert place(0.5, 3, 1, 1) == 1
    assert place(1, 3, 1, 1) is None
    assert place(3, 3) is None
    assert place(5) is None


def test_workers_differ_a_little_in_temperature():
    spread = temperatures(0.8, 5)
    assert spread[0] == 0.8
    assert len(set(spread)) == 5
    assert all(0.67 < t < 0.93 for t in spread)
    assert temperatures(0.0, 3) == (0.0, 0.0, 0.0)
    assert temperatures(0.8, 1) == (0.8,)
