"""What workers say, held back until each has ended: fewer lines for one who only counts. Pure."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from swarm.proposer import Said, Told


async def gathered(told: AsyncGenerator[list[Told]]) -> AsyncGenerator[list[Told]]:
    """The same news with each worker's words in one piece, when it has ended."""
    kept: dict[int, list[Said]] = {}
    async with aclosing(told):
        async for step in told:
            out: list[Told] = []
            for at, news in step:
                if isinstance(news, Said):
                    kept.setdefault(at, []).append(news)
                    continue
                if at in kept:
                    out.append((at, _joined(kept.pop(at))))
                out.append((at, news))
            if out:
                yield out


def _joined(said: Sequence[Said]) -> Said:
    return Said(
        tuple(piece for one in said for piece in one.pieces),
        tokens=sum(one.tokens for one in said),
        reasoning_tokens=sum(one.reasoning_tokens for one in said),
        calling=said[-1].calling,
        logprobs=tuple(token for one in said for token in one.logprobs),
    )
