"""How many workers answer a request, how they differ, and what to say when they are fewer. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from swarm.errors import InvalidRequest, Overloaded

SPREAD = 0.15
"""Workers differ by seed, and by temperature up to so much of it in both directions."""

FEWEST_CORES_FOR_FIVE = 4

EQUAL = Fraction(1)
"""What a vote weighs where nobody has said otherwise."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The owner's word: what a vote of each model weighs, more than 0, and for how many seconds
    at most a decision that is not proved waits for a stronger voter."""

    models: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    patience_s: float = 20.0

    def of(self, model: str) -> Fraction:
        return self.models.get(model, EQUAL)


@dataclass(frozen=True, slots=True)
class Crew:
    """The number of workers of one request, and a note where that is not what one would expect."""

    size: int
    note: str | None = None


ONE_WORKER = Crew(1)


def usual_workers(cores: int, *, accelerated: bool) -> int:
    """Workers of a request that names no number: a machine that batches well affords five."""
    return 5 if accelerated or cores >= FEWEST_CORES_FOR_FIVE else 3


def crew(asked: int | None, *, usual: int, temperature: float, free: int, most: int) -> Crew:
    """How many workers answer. `free` places are left in the engine, `most` it has at all.

    Raises InvalidRequest or Overloaded: a number that was asked for is kept or refused.
    """
    if asked is not None:
        if asked > most:
            message = f"voters is {asked}; this node has at most {most} workers at once"
            raise InvalidRequest(message, param="swarm.voters")
        if asked > free:
            raise Overloaded(f"{asked} workers were asked for, {free} are free", retry_after_s=2)
        return Crew(asked)
    if temperature == 0:
        return Crew(1, "at temperature 0 all workers say the same: one is enough")
    size = max(1, min(usual, free))
    return Crew(size, None if size == usual else f"{size} of {usual} workers: the node is busy")


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
