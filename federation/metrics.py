"""What one peer did for this node, in numbers. Pure: no clock, a wall time is passed in."""

from collections import deque
from dataclasses import dataclass
from statistics import fmean
from typing import Protocol

WINDOW = 256


class Traffic(Protocol):
    """Is told the bytes of a call, as they come and go."""

    def __call__(self, *, bytes_in: int = 0, bytes_out: int = 0) -> None: ...


@dataclass(frozen=True, slots=True)
class MetricsSummary:
    """The numbers of one peer. None where nothing was measured yet.

    Counts and bytes are since the start; latencies (seconds) and speed (tokens a second of
    the peer's answering, transfer included) are of the last 256 requests that it answered.
    """

    requests: int
    successes: int
    failures: int
    busy: int
    success_rate: float | None
    mean_latency_s: float | None
    p95_latency_s: float | None
    tokens_per_s: float | None
    bytes_in: int
    bytes_out: int
    wins: int
    last_error: str | None
    last_error_at: float | None


class PeerMetrics:
    """Counters and a bounded window of one peer's answers."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, int]] = deque(maxlen=WINDOW)
        self._successes = 0
        self._failures = 0
        self._busy = 0
        self._wins = 0
        self._bytes_in = 0
        self._bytes_out = 0
        self._last_error: tuple[str, float] | None = None

    def succeeded(self, *, latency_s: float, tokens: int) -> None:
        """A request was answered in full; `tokens` is how many all its candidates have."""
        self._successes += 1
        self._answers.append((latency_s, tokens))

    def failed(self, error: str, *, at: float) -> None:
        """A request was not answered; `at` is seconds since the epoch."""
        self._failures += 1
        self._last_error = (error, at)

    def was_busy(self) -> None:
        """The peer declined, as it may: an abstention, not a failure."""
        self._busy += 1

    def won(self) -> None:
        """A candidate of this peer won a vote."""
        self._wins += 1

    def moved(self, *, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Bytes came from the peer or went to it."""
        self._bytes_in += bytes_in
        self._bytes_out += bytes_out

    def summary(self) -> MetricsSummary:
        """The numbers now."""
        latencies = sorted(latency_s for latency_s, _ in self._answers)
        judged = self._successes + self._failures
        error, error_at = self._last_error or (None, None)
        return MetricsSummary(
            requests=judged + self._busy,
            successes=self._successes,
            failures=self._failures,
            busy=self._busy,
            success_rate=self._successes / judged if judged else None,
            mean_latency_s=fmean(latencies) if latencies else None,
            p95_latency_s=_p95(latencies) if latencies else None,
            tokens_per_s=self._tokens_per_s(),
            bytes_in=self._bytes_in,
            bytes_out=self._bytes_out,
            wins=self._wins,
            last_error=error,
            last_error_at=error_at,
        )

    def _tokens_per_s(self) -> float | None:
        seconds = sum(latency_s for latency_s, _ in self._answers)
        tokens = sum(tokens for _, tokens in self._answers)
        return tokens / seconds if seconds > 0 else None


def _p95(ordered: list[float]) -> float:
    """The smallest value that at least 95 of 100 do not exceed (nearest rank)."""
    rank = -(-95 * len(ordered) // 100)
    return ordered[rank - 1]
