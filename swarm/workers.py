"""How many workers a machine affords, and how the workers of one answer differ. Pure."""

SPREAD = 0.15
"""Workers differ by seed, and by temperature up to so much of it in both directions."""

FEWEST_CORES_FOR_FIVE = 4


def usual_workers(cores: int, *, accelerated: bool) -> int:
    """Workers of a request that names no number: a machine that batches well affords five."""
    return 5 if accelerated or cores >= FEWEST_CORES_FOR_FIVE else 3


def temperatures(base: float, size: int) -> tuple[float, ...]:
    """One for each worker around `base`, the first at it: small differences, the same each time."""
    if size < 2 or base == 0:
        return (base,) * size
    steps = [((at + 1) // 2) * (1 if at % 2 else -1) for at in range(size)]
    widest = max(abs(step) for step in steps)
    return tuple(round(base * (1 + SPREAD * step / widest), 4) for step in steps)
