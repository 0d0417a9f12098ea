from federation.sightings import LOG_SIZE, Allowance, SightingLog
from tests.federation.sightings import sighting


def test_the_same_thing_is_one_line_with_a_count() -> None:
    log = SightingLog()
    assert log.note(sighting(1), "other federation", "why", 10.0)
    assert not log.note(sighting(1), "other federation", "why", 20.0)
    (line,) = log.lines()
    assert (line.times, line.first_s, line.last_s) == (2, 10.0, 20.0)
    assert line.addresses == sighting(1).addresses


def test_another_outcome_is_another_line_and_the_latest_comes_first() -> None:
    log = SightingLog()
    log.note(sighting(1), "other federation", "why", 10.0)
    log.note(sighting(1), "member", "", 20.0)
    assert [line.outcome for line in log.lines()] == ["member", "other federation"]


def test_the_log_is_bounded_and_keeps_what_was_seen_last() -> None:
    log = SightingLog()
    for number in range(1000):
        log.note(sighting(number), "member", "", float(number))
    assert len(log.lines()) == LOG_SIZE
    assert log.lines()[0].name == sighting(999).name


def test_an_allowance_lets_a_burst_through_and_then_so_many_a_second() -> None:
    allowance = Allowance(burst=3, per_s=2)
    assert [allowance.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take(1.0) for _ in range(3)] == [True, True, False]
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]
