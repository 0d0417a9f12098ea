"""Who computes how many tokens in the next step. Pure: sequences in, shares out."""

from collections.abc import Iterable
from typing import TypeAlias

from swarm.engines.llama.sequence import Sequence

Shares: TypeAlias = list[tuple[Sequence, int]]

SMALLEST_CHUNK = 64
"""Fewer tokens at once would read a prompt at the pace of generating one."""

FIRST_CHUNK = 128
"""Tokens of the chunk from which the speed is learned."""


def stream_shares(running: Iterable[Sequence]) -> Shares:
    """One token for every sequence that generates, so that none waits longer than one step."""
    return [(sequence, 1) for sequence in running if sequence.decoding]


def prompt_shares(running: Iterable[Sequence], chunk_tokens: int) -> Shares:
    """A chunk for the prompts; `running` comes in the order of admission.

    Half of it belongs to the prompt that has waited longest, so that it always gets on; the rest
    goes to those with the least left to read, so that short prompts answer soon and prompts of
    one length finish one after the other.
    """
    prompts = [sequence for sequence in running if not sequence.decoding]
    if not prompts:
        return []
    oldest, *others = prompts
    left = chunk_tokens - min(oldest.pending, (chunk_tokens + 1) // 2)
    shares: Shares = []
    for sequence in sorted(others, key=lambda s: s.pending):
        share = min(sequence.pending, left)
        if share:
            shares.append((sequence, share))
            left -= share
    taken = chunk_tokens - left - sum(share for _, share in shares)
    return [(oldest, min(oldest.pending, taken + left)), *shares]


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
