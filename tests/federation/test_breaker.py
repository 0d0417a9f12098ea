from federation.breaker import Breaker


def opened(times: int) -> tuple[Breaker, float]:
    """A breaker that opened that often, and when it may be tried again."""
    breaker, now_s = Breaker(failures=2), 0.0
    for _ in range(times):
        breaker = breaker.began(now_s).failed(now_s)
        assert breaker.open_until_s is not None
        now_s = breaker.open_until_s
    return breaker, now_s


def test_it_opens_at_the_third_failure_in_a_row() -> None:
    breaker = Breaker().failed(0.0).failed(0.0)
    assert breaker.allows(0.0)
    assert not breaker.failed(0.0).allows(0.0)


def test_it_stays_open_twice_as_long_each_time_and_half_a_minute_at_most() -> None:
    pauses, end_s = [], 0.0
    for times in range(1, 8):
        start_s, end_s = end_s, opened(times)[1]
        pauses.append(end_s - start_s)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_it_says_how_long_nobody_is_asked() -> None:
    breaker, now_s = opened(3)
    assert breaker.left_out_s(now_s - 1.5) == 1.5
    assert breaker.left_out_s(now_s + 1) == Breaker().left_out_s(0.0) == 0.0


def test_half_open_lets_one_request_through() -> None:
    breaker, now_s = opened(1)
    assert not breaker.allows(now_s - 0.01)
    assert breaker.allows(now_s)
    trying = breaker.began(now_s)
    assert not trying.allows(now_s + 1)
    assert trying.dropped().allows(now_s + 1)
    assert trying.allows(now_s + 60), "a trial that nobody ended does not block for ever"


def test_failures_of_requests_from_before_change_nothing_while_it_is_open() -> None:
    breaker, _ = opened(1)
    assert breaker.failed(0.5) == breaker
