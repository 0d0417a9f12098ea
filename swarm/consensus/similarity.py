"""How alike texts are, and which of several is most like all others."""

from collections.abc import Sequence
from typing import TypeAlias

Grams: TypeAlias = frozenset[tuple[str, ...]]


def grams(text: str) -> Grams:
    """The set of a text's runs of three characters; white space counts as one space.

    A shorter text is one run.
    """
    joined = " ".join(text.split())
    # zipped, for slicing takes three times as long
    return frozenset(zip(joined, joined[1:], joined[2:], strict=False)) or frozenset({(joined,)})


def jaccard(one: Grams, other: Grams) -> float:
    """Shared by all grams, 0 to 1."""
    shared = len(one & other)
    union = len(one) + len(other) - shared
    return shared / union


def closeness(texts: Sequence[str], weights: Sequence[float]) -> list[float]:
    """For each text the weighted sum of its likeness to all texts, itself among them.

    The text with the most is the medoid: minimum Bayes risk under this likeness (Kumar and
    Byrne 2004). Sums run in the order of size, so that the order of the texts does not matter.
    """
    sets = [grams(text) for text in texts]
    likeness = [[1.0] * len(sets) for _ in sets]
    for at, one in enumerate(sets):
        for before, other in enumerate(sets[:at]):
            likeness[at][before] = likeness[before][at] = jaccard(one, other)
    return [
        sum(sorted(alike * weight for alike, weight in zip(row, weights, strict=True)))
        for row in likeness
    ]
