"""Letting one worker pick: the question that it is asked, and what its reply means."""

import hashlib
import re
from collections.abc import Sequence

from swarm.types import Candidate

MOST = 9
"""At most this many candidates are laid before the judge: one digit names each."""

_DIGITS = 3
"""A number with more digits names no candidate, and Python reads none of more than 4,300."""


def order_of(count: int, seed: str) -> list[int]:
    """Places in an order that the seed decides: a judge favours what it reads first."""
    return sorted(
        range(min(count, MOST)), key=lambda at: hashlib.sha256(f"{seed} {at}".encode()).digest()
    )


def question(candidates: Sequence[Candidate]) -> str:
    """What the judge is asked, after the conversation that the candidates answer."""
    shown = [f"Answer {at}:\n{_shown(candidate)}" for at, candidate in enumerate(candidates, 1)]
    return (
        "Several answers to the conversation so far were written:\n\n"
        + "\n\n".join(shown)
        + f"\n\nWhich one is best? Reply with its number, 1 to {len(candidates)}, and nothing else."
    )


def picked(reply: str, count: int) -> int | None:
    """The place that a reply names, from 0 on; None if it names none."""
    found = re.search(r"\d+", reply)
    if found is None or len(found.group()) > _DIGITS:
        return None
    at = int(found.group()) - 1
    return at if 0 <= at < count else None


def _shown(candidate: Candidate) -> str:
    calls = [f"calls {call.name} with {call.arguments}" for call in candidate.tool_calls]
    return "\n".join(filter(None, [candidate.text, *calls]))
