"""What the scripts share: rounds in alternation, medians of ratios, one way to print."""

import argparse
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


def alternate(
    rounds: int, first: Callable[[int], T], second: Callable[[int], T]
) -> list[tuple[T, T]]:
    """Call both once a round, one after the other, whoever began a round being last in the next.

    They are given the number of the round. What disturbs the machine disturbs both alike.
    """
    pairs: list[tuple[T, T]] = []
    for number in range(rounds):
        if number % 2 == 0:
            one = first(number)
            pairs.append((one, second(number)))
        else:
            two = second(number)
            pairs.append((first(number), two))
    return pairs


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """The median of first through second."""
    return statistics.median(a / b for a, b in pairs)


def spread(values: Sequence[float]) -> str:
    """Median, least and most."""
    middle = statistics.median(values)
    return f"{middle:.3g} ({min(values):.3g} to {max(values):.3g})"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def verdict(what: str, measured: float, bar: float, *, at_least: bool = False) -> bool:
    """Print a figure beside its bar; whether it is met."""
    met = measured >= bar if at_least else measured <= bar
    sign = ">=" if at_least else "<="
    print(f"{what}: {measured:.3f} (bar {sign} {bar:g}) {'ok' if met else 'MISSED'}", flush=True)
    return met


def must_have(here: bool, what: str) -> None:
    """Ends a script that measures what this machine lacks."""
    if not here:
        sys.exit(f"this figure needs {what}")


def parser(doc: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """Options of scripts that measure in rounds; from now on SIGTERM ends a script in order."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    made = bare_parser(doc)
    made.add_argument("--rounds", type=int, default=rounds, help="pairs of measurements")
    made.add_argument("--model", type=Path, help="a GGUF file instead of random weights")
    return made


def bare_parser(doc: str | None) -> argparse.ArgumentParser:
    """No option but --help."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
