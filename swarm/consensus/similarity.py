"""How alike texts are, and which of several is most like all others."""

from collections.abc import Sequence

GRAM = 3


def grams(text: str) -> frozenset[str]:
    """The set of a text's runs of three characters; white space counts as one space."""
    joined = " ".join(text.split())
    return frozenset(joined[at : at + GRAM] for at in range(max(1, len(joined) - GRAM + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Shared by all grams, 0 to 1; 1 where both are empty."""
    shared = len(one & other)
    union = len(one) + len(other) - shared
    return shared / union if union else 1.0


def closeness(texts: Sequence[str], weights: Sequence[float]) -> list[float]:
    """For each text the weighted sum of its likeness to all texts, itself among them.

    The text with the most is the medoid: minimum Bayes risk under this likeness (Kumar and
    Byrne 2004). Sums run in the order of their size, so that the order of the texts is no matter.
    """
    sets = [grams(text) for text in texts]
    likeness = [[1.0 if a is b else jaccard(a, b) for b in sets] for a in sets]
    return [
        sum(sorted(alike * weight for alike, weight in zip(row, weights, strict=True)))
        for row in likeness
    ]
