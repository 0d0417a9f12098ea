"""When a PIN changes, and how many guesses a guesser gets."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.pin import Pin, parse_pin, split_pin
from swarm.errors import ConfigurationError, Overloaded


def counting() -> Pin:
    """Its PINs are 000001, 000002 ... in their order."""
    numbers = iter(range(1, 10**6))
    return Pin(lambda below: next(numbers), 0.0)


def test_a_pin_is_shown_in_two_groups():
    assert Pin(lambda below: 82_913, 0.0).shown(0.0) == "082 913"


def test_a_pin_is_drawn_from_a_million():
    drawn: list[int] = []
    Pin(lambda below: drawn.append(below) or 0, 0.0)
    assert drawn == [1_000_000]


def test_a_pin_lives_ten_minutes():
    pin = counting()
    assert pin.digits(599.9) == "000001"
    assert pin.digits(600.0) == "000002"
    assert pin.digits(1199.9) == "000002"


def test_three_wrong_tries_change_it():
    pin = counting()
    assert [pin.attempt(1.0) for _ in range(3)] == ["000001"] * 3
    assert pin.digits(1.0) == "000002"


def test_a_right_try_is_taken_back():
    pin = counting()
    for _ in range(20):
        assert pin.attempt(1.0) == "000001"
        pin.succeeded()


def test_rests_double_to_ten_minutes():
    pin, now_s, rests = counting(), 0.0, []
    for _ in range(9):
        for _ in range(3):
            pin.attempt(now_s)
        rests.append(pin.rests_s(now_s))
        now_s += rests[-1]
    assert rests == [10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_who_comes_during_a_rest_is_told_when_to_come_back():
    pin = counting()
    for _ in range(3):
        pin.attempt(0.0)
    with pytest.raises(Overloaded) as refused:
        pin.attempt(3.5)
    assert refused.value.retry_after_s == 7
    assert pin.attempt(10.0) == "000002"


def guesses(pin: Pin, until_s: float, step_s: float) -> Iterator[float]:
    """When guesses count, of a guesser who tries every `step_s` and never waits to be told."""
    now_s = 0.0
    while now_s < until_s:
        try:
            pin.attempt(now_s)
        except Overloaded:
            now_s += max(step_s, pin.rests_s(now_s))
        else:
            yield now_s


def test_the_first_day_has_room_for_447_guesses():
    assert sum(1 for _ in guesses(counting(), 86_400, 0.001)) == 447


def test_ten_thousand_guesses_need_23_days():
    times = guesses(counting(), 40 * 86_400, 0.001)
    assert next(at for number, at in enumerate(times, 1) if number == 10_000) > 23 * 86_400


@given(st.lists(st.tuples(st.floats(0, 1000), st.booleans())))
def test_no_pin_is_tried_more_than_three_times(steps):
    pin, now_s = counting(), 0.0
    tried: dict[str, int] = {}
    for wait_s, right in steps:
        now_s += wait_s
        if pin.rests_s(now_s) > 0:
            continue
        digits = pin.attempt(now_s)
        tried[digits] = tried.get(digits, 0) + 1
        if right and pin.digits(now_s) == digits:
            pin.succeeded()
            tried[digits] -= 1
    assert all(count <= 3 for count in tried.values())


@pytest.mark.parametrize("typed", ["482 913", "482913", " 482-913\n"])
def test_a_pin_may_be_typed_in_groups(typed):
    assert parse_pin(typed) == "482913"


@pytest.mark.parametrize("typed", ["", "48291", "4829133", "48291a", "٤٨٢٩١٣", "²82913"])
def test_what_is_no_pin_is_refused(typed):
    with pytest.raises(ConfigurationError, match="a PIN is 6 digits"):
        parse_pin(typed)


@pytest.mark.parametrize(
    ("typed", "split"),
    [
        ("482 913", ("482 913", "")),
        ("482913 kitchen", ("482913", "kitchen")),
        ("482 913 hall-1a2b3c4d", ("482 913", "hall-1a2b3c4d")),
        ("48 29 13 7", ("48 29 13", "7")),
        ("kitchen", ("kitchen", "")),
    ],
)
def test_behind_a_pin_may_stand_whose_it_is(typed: str, split: tuple[str, str]) -> None:
    assert split_pin(typed.split()) == split
