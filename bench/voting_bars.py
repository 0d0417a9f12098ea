"""What the figures of a vote are held to: bars, whether they are met, and the lines that say so.

Knows no model: numbers of questions in, bars out. Gains are in points (percent of questions).
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.figures import verdict


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that must be at least, else at most, the bar."""

    what: str
    measured: float
    bar: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{self.what}: {self.measured:.1f} (bar {sign} {self.bar:.1f})"


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the page, with the bars that its figures are held to."""

    line: str
    bars: tuple[Bar, ...] = ()


def not_below(what: str, votes: Sequence[float], single: Sequence[float]) -> Bar:
    """Votes, in points, are below no further than half of their own 95 % interval."""
    mean, half = mean_and_half([100 * rate for rate in votes])
    return Bar(what, mean - 100 * statistics.mean(single), -half)


def no_gain(what: str, more: Sequence[float], fewer: Sequence[float]) -> Bar:
    """More workers are above fewer, by question, no further than half of the 95 % interval."""
    mean, half = mean_and_half([100 * (a - b) for a, b in zip(more, fewer, strict=True)])
    return Bar(what, mean, half, at_least=False)


def always(what: str, kept: int, asked: int) -> Bar:
    """It held in all of the cases, in percent; in none of none it was not shown."""
    return Bar(what, 100 * kept / asked if asked else 0.0, 100)


def missed(bars: Sequence[Bar]) -> str:
    """The page's last lines: how many bars are met, and each that is not."""
    short = [str(bar) for bar in bars if not bar.met]
    head = f"Of {len(bars)} bars {len(bars) - len(short)} are met"
    return "\n".join(
        [f"{head}; missed:\n", *(f"- {line}" for line in short)] if short else [f"{head}."]
    )


def judge(bars: Sequence[Bar]) -> int:
    """Print each bar; the exit status of the script says whether all are met."""
    met = [verdict(bar.what, bar.measured, bar.bar, at_least=bar.at_least) for bar in bars]
    return 0 if all(met) else 1


def mean_and_half(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half of its 95 % interval."""
    return statistics.mean(values), 1.96 * statistics.stdev(values) / math.sqrt(len(values))
