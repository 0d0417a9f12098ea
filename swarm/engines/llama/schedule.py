"""Who computes how many tokens in the next step. Pure: sequences in, shares out."""

from collections.abc import Iterable

from swarm.engines.llama.sequence import Sequence


def plan_step(
    sequences: Iterable[Sequence], *, chunk_tokens: int, batch_tokens: int
) -> list[tuple[Sequence, int]]:
    """Shares of the next batch: one token for every stream, a chunk for the prompts.

    `sequences` come in the order of their admission. Streams are served first, so none of them
    ever waits longer than one step. Half of the chunk belongs to the prompt that has waited
    longest, so that it always gets on; the rest goes to those with the least left to read, so
    that short prompts answer soon and prompts of one length finish one after the other.
    """
    running = [s for s in sequences if s.slot is not None]
    streams = [s for s in running if s.decoding][:batch_tokens]
    prompts = [s for s in running if not s.decoding]
    room = min(chunk_tokens, batch_tokens - len(streams))
    return [(s, 1) for s in streams] + _share_chunk(prompts, room)


def _share_chunk(prompts: list[Sequence], room: int) -> list[tuple[Sequence, int]]:
    if not prompts or room <= 0:
        return []
    oldest, *others = prompts
    left = room - min(oldest.pending, (room + 1) // 2)
    shares: list[tuple[Sequence, int]] = []
    for sequence in sorted(others, key=lambda s: s.pending):
        share = min(sequence.pending, left)
        if share:
            shares.append((sequence, share))
            left -= share
    taken = room - left - sum(share for _, share in shares)
    return [(oldest, min(oldest.pending, taken + left)), *shares]
