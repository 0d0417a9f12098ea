"""A missed bar of the vote ends the script with status 1, and stands on the page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.voting_bars import Bar, always, judge, missed, no_gain, not_below

RATES = st.lists(st.floats(0, 1), min_size=2, max_size=40)


def test_all_bars_met_end_with_0_and_a_missed_one_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    good, bad = Bar("gain", 9, 8), Bar("errors", 3, 2, at_least=False)

    assert judge([good]) == 0
    assert judge([good, bad, good]) == 1
    assert "errors: 3.000 (bar <= 2) MISSED" in capsys.readouterr().out


def test_the_page_names_each_missed_bar_with_its_figure() -> None:
    bars = [Bar("gain", 9, 8), Bar("N = 3 - one at temperature 0", -4.9, -3.3)]

    assert missed(bars[:1]) == "Of 1 bars 1 are met."
    assert missed(bars) == (
        "Of 2 bars 1 are met; missed:\n\n- N = 3 - one at temperature 0: -4.9 (bar >= -3.3)"
    )


def test_what_held_in_all_cases_but_one_is_missed() -> None:
    assert always("liar", 354, 354).met
    assert not always("liar", 353, 354).met


def test_what_was_never_tried_is_not_met() -> None:
    assert not always("liar", 0, 0).met


@given(RATES)
def test_votes_are_not_below_themselves_and_gain_nothing_over_themselves(
    rates: list[float],
) -> None:
    assert not_below("same", rates, rates).met
    assert no_gain("same", rates, rates).met


def test_votes_far_below_a_single_worker_are_missed() -> None:
    assert not not_below("votes", [0.5, 0.6] * 50, [1.0] * 100).met
    assert not_below("votes", [0.0, 1.0] * 50, [0.55] * 100).met


def test_shuffled_answers_that_gain_are_missed() -> None:
    alone = [0.0, 0.02] * 50

    assert not no_gain("shuffled", [rate + 0.1 for rate in alone], alone).met
    assert no_gain("shuffled", alone[::-1], alone).met
