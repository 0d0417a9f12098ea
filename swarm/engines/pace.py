"""How long a chunk of prompts may be, learned from how long chunks took. Pure."""

SMALLEST_CHUNK = 64
"""A chunk has at least this many tokens: fewer would read a prompt at the pace of generating one.
"""

FIRST_CHUNK = 128
"""Tokens of the chunk from which the speed is learned."""


class Pace:
    """How long a chunk may be: streams stand still while it is computed, and new requests wait."""

    def __init__(self, *, most_tokens: int, pause_s: float) -> None:
        self._most_tokens = most_tokens
        self._pause_s = pause_s
        self._tokens_per_s: float | None = None

    def chunk_tokens(self) -> int:
        """What `pause_s` allows; little at first, when nothing is known of the speed."""
        if self._tokens_per_s is None:
            return min(self._most_tokens, FIRST_CHUNK)
        allowed = int(self._tokens_per_s * self._pause_s)
        return max(SMALLEST_CHUNK, min(self._most_tokens, allowed))

    def note(self, tokens: int, seconds: float) -> None:
        """Learn from a chunk; short ones say little about the speed of long ones."""
        if tokens >= SMALLEST_CHUNK:
            self._tokens_per_s = tokens / max(seconds, 1e-6)
