"""Requests and tokens per minute, with a clock of the test's own."""

from hypothesis import given
from hypothesis import strategies as st

from api.limits import Meter


def test_so_many_requests_a_minute_and_no_more() -> None:
    meter = Meter()
    meter.limit("requests", 2, now_s=0)
    assert [meter.admit(0), meter.admit(0)] == [0, 0]
    assert meter.admit(0) == 30
    assert meter.admit(29) == 1
    assert meter.admit(30) == 0
    assert (meter.requests, meter.refused) == (3, 2)


def test_tokens_are_counted_when_they_are_used_and_waited_for_afterwards() -> None:
    meter = Meter()
    meter.limit("tokens", 600, now_s=0)
    assert meter.admit(0) == 0
    meter.used(prompt_tokens=500, completion_tokens=400, now_s=0)
    assert meter.admit(0) == 31
    assert meter.admit(31) == 0


def test_a_request_needs_one_token_and_no_more() -> None:
    meter = Meter()
    meter.limit("tokens", 60, now_s=0)
    meter.used(completion_tokens=60, now_s=0)
    assert meter.admit(0) == 1
    assert meter.admit(0.5) == 1
    assert meter.admit(1) == 0
    meter.used(prompt_tokens=3, now_s=1)
    assert meter.admit(1) == 3


def test_of_two_limits_the_longer_wait_is_told_and_a_refusal_takes_nothing() -> None:
    meter = Meter()
    meter.limit("requests", 1, now_s=0)
    meter.limit("tokens", 60, now_s=0)
    assert meter.admit(0) == 0
    meter.used(prompt_tokens=149, now_s=0)
    assert meter.admit(0) == 90
    assert meter.admit(89) == 1
    assert meter.admit(90) == 0


def test_nobody_saves_up_more_than_a_minute() -> None:
    meter = Meter()
    meter.limit("requests", 2, now_s=0)
    assert [meter.admit(9999.0) for _ in range(3)] == [0, 0, 30]


def test_without_limits_everything_is_counted_and_nothing_refused() -> None:
    meter = Meter()
    assert all(meter.admit(0) == 0 for _ in range(1000))
    meter.used(prompt_tokens=10**9, now_s=0)
    assert meter.admit(0) == 0
    assert (meter.requests, meter.prompt_tokens) == (1001, 10**9)


def test_the_same_limit_set_again_forgets_nothing_and_another_begins_anew() -> None:
    meter = Meter()
    meter.limit("requests", 1, now_s=0)
    assert meter.admit(0) == 0
    meter.limit("requests", 1, now_s=0)
    assert meter.admit(0) == 60
    meter.limit("requests", 5, now_s=0)
    assert meter.admit(0) == 0
    meter.limit("requests", None, now_s=0)
    assert all(meter.admit(0) == 0 for _ in range(10))


@given(
    st.integers(1, 50),
    st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=80),
)
def test_no_minute_sees_more_than_twice_its_limit(per_minute: int, gaps: list[float]) -> None:
    """A full bucket and what fills it meanwhile; and a wait that is kept is never refused."""
    meter = Meter()
    meter.limit("requests", per_minute, now_s=0)
    admitted: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        if wait_s := meter.admit(now):
            now += wait_s
            assert meter.admit(now) == 0
        admitted.append(now)
    for start in admitted:
        assert sum(start <= at < start + 60 for at in admitted) <= 2 * per_minute + 1
