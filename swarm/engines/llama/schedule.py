"""Who computes how many tokens in the next step. Pure: sequences in, shares out."""

from collections.abc import Iterable

from swarm.engines.llama.sequence import Sequence

INTERLEAVED_SHARE = 2
"""While streams run, a step reads this part of a chunk, so that they pause the less."""


def plan_step(
    sequences: Iterable[Sequence], *, chunk_tokens: int, batch_tokens: int
) -> list[tuple[Sequence, int]]:
    """Shares of the next batch: one token for every stream, a chunk for the prompts.

    Streams come first, so none of them ever waits longer than one step. The chunk is divided
    evenly among the prompts that are being read, what short ones leave going to the rest, so
    that a short prompt is not held up by a long one.
    """
    running = [s for s in sequences if s.slot is not None]
    streams = [s for s in running if s.decoding][:batch_tokens]
    prompts = sorted((s for s in running if not s.decoding), key=lambda s: s.pending)
    room = chunk_tokens // INTERLEAVED_SHARE if streams else chunk_tokens
    room = min(room, batch_tokens - len(streams))
    shares = [(s, 1) for s in streams]
    for position, sequence in enumerate(prompts):
        share = min(sequence.pending, room // (len(prompts) - position))
        if share > 0:
            shares.append((sequence, share))
            room -= share
    return shares
