import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.metrics import WINDOW, PeerMetrics


def test_nothing_measured_is_none_and_not_zero() -> None:
    summary = PeerMetrics().summary()
    assert summary.requests == 0
    assert summary.success_rate is None
    assert summary.mean_latency_s is None
    assert summary.p95_latency_s is None
    assert summary.tokens_per_s is None
    assert summary.last_error is None


def test_what_a_peer_did_is_counted() -> None:
    metrics = PeerMetrics()
    metrics.succeeded(latency_s=1.0, tokens=100)
    metrics.succeeded(latency_s=3.0, tokens=100)
    metrics.failed("connection reset", at=1000.0)
    metrics.was_busy()
    metrics.won()
    metrics.moved(bytes_in=10, bytes_out=20)
    metrics.moved(bytes_in=1)
    summary = metrics.summary()
    assert (summary.requests, summary.successes, summary.failures, summary.busy) == (4, 2, 1, 1)
    assert summary.success_rate == pytest.approx(2 / 3)
    assert summary.mean_latency_s == 2.0
    assert summary.p95_latency_s == 3.0
    assert summary.tokens_per_s == 50.0
    assert (summary.bytes_in, summary.bytes_out, summary.wins) == (11, 20, 1)
    assert (summary.last_error, summary.last_error_at) == ("connection reset", 1000.0)


def test_the_95th_percentile_leaves_five_in_a_hundred_above_it() -> None:
    metrics = PeerMetrics()
    for latency_s in range(100, 0, -1):
        metrics.succeeded(latency_s=float(latency_s), tokens=1)
    assert metrics.summary().p95_latency_s == 95.0


def test_latencies_are_of_the_last_answers_only() -> None:
    metrics = PeerMetrics()
    metrics.succeeded(latency_s=1000.0, tokens=1)
    for _ in range(WINDOW):
        metrics.succeeded(latency_s=1.0, tokens=5)
    summary = metrics.summary()
    assert summary.successes == WINDOW + 1
    assert summary.mean_latency_s == 1.0
    assert summary.tokens_per_s == 5.0


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=600))
def test_the_figures_lie_within_what_was_measured(latencies: list[float]) -> None:
    metrics = PeerMetrics()
    for latency_s in latencies:
        metrics.succeeded(latency_s=latency_s, tokens=1)
    summary = metrics.summary()
    window = latencies[-WINDOW:]
    assert summary.p95_latency_s in window
    assert min(window) * 0.999 <= (summary.mean_latency_s or 0) <= max(window) * 1.001
