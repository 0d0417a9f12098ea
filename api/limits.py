"""How much one key may ask for: requests and tokens per minute, and what it has used. Pure.

Time is an argument, in seconds of a clock that only goes forward.
"""

import math
from dataclasses import dataclass, field

_MINUTE_S = 60.0
_ROUNDING = 1e-6
"""Up to this part of a request or a token may be missing after a wait that was kept to the second.
"""


@dataclass(slots=True)
class Bucket:
    """Holds at most `per_minute`, and fills as fast (a token bucket)."""

    per_minute: int
    level: float
    at_s: float

    def wait_s(self, wanted: float, now_s: float) -> float:
        """Seconds until it holds `wanted`; 0 if it does."""
        self._fill(now_s)
        missing = wanted - self.level
        return missing * _MINUTE_S / self.per_minute if missing > _ROUNDING else 0.0

    def take(self, amount: float, now_s: float) -> None:
        """Take out what was used; it may go below nothing, which must then be waited for."""
        self._fill(now_s)
        self.level -= amount

    def _fill(self, now_s: float) -> None:
        gained = (now_s - self.at_s) * self.per_minute / _MINUTE_S
        self.level = min(float(self.per_minute), self.level + gained)
        self.at_s = now_s


@dataclass(slots=True)
class Meter:
    """One key's use since the node's start, and what is left of its limits (None: no limit)."""

    requests: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _buckets: dict[str, Bucket] = field(default_factory=dict[str, Bucket])

    def limit(self, kind: str, per_minute: int | None, now_s: float) -> None:
        """Set the limit of `requests` or `tokens`; what was used of the same one stays used."""
        old = self._buckets.get(kind)
        if per_minute is None:
            self._buckets.pop(kind, None)
        elif old is None or old.per_minute != per_minute:
            self._buckets[kind] = Bucket(per_minute, float(per_minute), now_s)

    def admit(self, now_s: float) -> int:
        """Count a request and return 0, or whole seconds after which it may be asked again."""
        wanted = {"requests": 1.0, "tokens": 1.0}
        waits = [bucket.wait_s(wanted[kind], now_s) for kind, bucket in self._buckets.items()]
        wait_s = max(waits, default=0.0)
        if wait_s > 0:
            self.refused += 1
            return math.ceil(wait_s)
        self.requests += 1
        self._take("requests", 1, now_s)
        return 0

    def used(self, *, prompt_tokens: int = 0, completion_tokens: int = 0, now_s: float) -> None:
        """Count tokens."""
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens
        self._take("tokens", prompt_tokens + completion_tokens, now_s)

    def limits(self) -> dict[str, int]:
        """The limits that hold, by what they count."""
        return {f"{kind}_per_minute": b.per_minute for kind, b in self._buckets.items()}

    def _take(self, kind: str, amount: float, now_s: float) -> None:
        if kind in self._buckets:
            self._buckets[kind].take(amount, now_s)
