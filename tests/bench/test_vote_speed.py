"""A vote's time is held to its bars beside one answer and beside a plain completion."""

import pytest

from bench.client import Timing
from bench.vote_speed import judge


def took(first_s: float, total_s: float) -> list[Timing]:
    return [Timing(pieces_s=[first_s, total_s], total_s=total_s)] * 3


def test_a_vote_within_all_ratios_is_met() -> None:
    assert judge(took(1.0, 4.0), took(1.05, 4.1), took(0.01, 5.0), took(1.08, 5.0))


@pytest.mark.parametrize(
    ("plain", "vote", "leader"),
    [
        (took(1.0, 2.4), took(0.01, 5.0), took(1.0, 5.0)),
        (took(1.0, 4.0), took(1.2, 5.0), took(1.0, 5.0)),
        (took(1.0, 4.0), took(0.01, 5.0), took(1.2, 5.0)),
        (took(0.9, 4.0), took(0.01, 5.0), took(0.9, 5.0)),
    ],
    ids=["the vote takes too long", "its first sign", "the leader's first", "one worker's first"],
)
def test_each_ratio_to_a_plain_completion_can_be_missed(
    plain: list[Timing], vote: list[Timing], leader: list[Timing]
) -> None:
    assert not judge(plain, took(1.0, 4.0), vote, leader)
