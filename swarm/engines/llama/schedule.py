"""Who computes how many tokens in the next step. Pure: sequences in, shares out."""

from collections.abc import Iterable
from typing import TypeAlias

from swarm.engines.llama.sequence import Sequence

Shares: TypeAlias = list[tuple[Sequence, int]]


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
