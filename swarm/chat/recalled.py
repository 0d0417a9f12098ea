"""What is made of a text is kept for the next request with the same, within a bound of memory."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

Made = TypeVar("Made")

_CHARS = 1 << 16
"""Texts up to this length are kept: nearly all that clients send again and again is shorter."""


def recalled(most: int) -> Callable[[Callable[[str], Made]], Callable[[str], Made]]:
    """Keeps what a function made of the last texts, at most `most`; of long ones nothing."""

    def keep(make: Callable[[str], Made]) -> Callable[[str], Made]:
        kept = lru_cache(maxsize=most)(make)

        @wraps(make)
        def recall(text: str) -> Made:
            return kept(text) if len(text) <= _CHARS else make(text)

        return recall

    return keep
