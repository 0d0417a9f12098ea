"""What a judge is shown first, and what its reply means."""

import pytest

from swarm.consensus.judge import MOST, order_of, picked


def test_the_seed_decides_in_which_order_a_judge_reads_the_answers() -> None:
    orders = {tuple(order_of(5, seed)) for seed in "abcdefgh"}
    assert len(orders) > 1
    assert order_of(5, "a") == order_of(5, "a")
    assert {tuple(sorted(order)) for order in orders} == {(0, 1, 2, 3, 4)}


def test_a_judge_reads_the_best_answers_where_they_are_many() -> None:
    assert sorted(order_of(20, "s")) == list(range(MOST))


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("1", 0),
        ("2", 1),
        ("Answer 3 is best.", 2),
        ("4", None),
        ("0", None),
        ("none", None),
        ("1" * 5000, None),
    ],
)
def test_a_reply_names_one_of_the_answers_or_none(reply: str, place: int | None) -> None:
    assert picked(reply, 3) == place
