"""When requests to a failing peer stop, and when one may try again. Pure: takes `now_s`."""

from dataclasses import dataclass

_FAILURES_TO_OPEN = 3
_OPEN_MAX_S = 30.0
_TRIAL_S = 60.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """Requests stop after three failures in a row, for 1, 2, 4 ... 30 s; then one is let through.

    A heartbeat does not close it: a peer that answers heartbeats and fails requests is broken.
    """

    failures: int = 0
    openings: int = 0
    open_until_s: float | None = None
    trial_since_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether a request may go to the peer. A trial that never ended counts for a minute."""
        if self.open_until_s is None:
            return True
        if self.trial_since_s is not None and now_s < self.trial_since_s + _TRIAL_S:
            return False
        return now_s >= self.open_until_s

    def left_out_s(self, now_s: float) -> float:
        """For how long yet no request goes to the peer."""
        return 0.0 if self.open_until_s is None else max(0.0, self.open_until_s - now_s)

    def began(self, now_s: float) -> "Breaker":
        """A request goes out; while half open it is the only one."""
        if self.open_until_s is None:
            return self
        return Breaker(self.failures, self.openings, self.open_until_s, now_s)

    def dropped(self) -> "Breaker":
        """It was cancelled here: nothing was learned."""
        return Breaker(self.failures, self.openings, self.open_until_s)

    def failed(self, now_s: float) -> "Breaker":
        """A request failed; those begun before it opened change nothing."""
        if self.open_until_s is not None and self.trial_since_s is None:
            return self
        failures = self.failures + 1
        if self.open_until_s is None and failures < _FAILURES_TO_OPEN:
            return Breaker(failures)
        pause_s = min(_OPEN_MAX_S, 2.0 ** min(self.openings, 8))
        return Breaker(failures, self.openings + 1, now_s + pause_s)
