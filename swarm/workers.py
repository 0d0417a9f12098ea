"""How many workers a machine affords, how they differ, what their votes weigh. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

SPREAD = 0.15
"""Workers differ by seed, and by temperature up to this share of it in both directions."""

FEWEST_CORES_FOR_FIVE = 4

EQUAL = Fraction(1)
"""What a vote weighs where nobody has said otherwise."""


@dataclass(frozen=True, slots=True)
class VoteWeights:
    """The owner's word: what a vote of each model or peer weighs, more than 0, by its name.

    `patience_s`: a decision that is not proved waits at most this long for a stronger voter.
    """

    models: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    patience_s: float = 20.0

    def of(self, model: str, *names: str) -> Fraction:
        """The weight of a node's vote by the first of its names that has one, else by its model."""
        return next((self.models[each] for each in (*names, model) if each in self.models), EQUAL)


def usual_workers(cores: int, *, accelerated: bool) -> int:
    """Workers of a request that names no number: a machine that batches well affords five."""
    return 5 if accelerated or cores >= FEWEST_CORES_FOR_FIVE else 3


def outweighing(weights: Sequence[Fraction]) -> int | None:
    """The place of the one voter that weighs more than all others together, if there is one."""
    heaviest = max(range(len(weights)), key=lambda at: weights[at])
    alone = len(weights) > 1 and 2 * weights[heaviest] > sum(weights)
    return heaviest if alone else None


def temperatures(base: float, size: int) -> tuple[float, ...]:
    """One for each worker around `base`, the first at it: small differences, the same each time."""
    if size < 2 or base == 0:
        return (base,) * size
    steps = [((at + 1) // 2) * (1 if at % 2 else -1) for at in range(size)]
    widest = max(abs(step) for step in steps)
    return tuple(round(base * (1 + SPREAD * step / widest), 4) for step in steps)
