"""The second turn of a long conversation: how much of the first turn's wait is left.

A chat of 6,000 tokens, its answer of 32 tokens, then a short question in the same conversation.
Every round is a new conversation.
"""

import asyncio
import statistics
import sys

from bench.client import Timing, chat
from bench.figures import parser, spread, verdict
from bench.models import random_model, text
from bench.servers import Server, node

FIRST_TOKENS = 6000
SECOND_TOKENS = 16
NEW_TOKENS = 32
BAR = 0.05


def main() -> int:
    chosen = parser(__doc__, rounds=3).parse_args()
    with node(chosen.model or random_model()) as ours:
        rounds = [asyncio.run(conversation(ours, number)) for number in range(chosen.rounds)]
    for first, second in rounds:
        reused = f"{second.cached_tokens} of {second.prompt_tokens}"
        print(f"first turn {first.first_s:.2f} s, second {second.first_s:.3f} s, cached {reused}")
    print(f"first turn: {spread([a.first_s for a, _ in rounds])} s")
    print(f"second turn: {spread([b.first_s for _, b in rounds])} s")
    share = statistics.median(b.first_s / a.first_s for a, b in rounds)
    met = verdict("time to first token, second turn / first turn", share, BAR)
    honest = all(b.cached_tokens >= FIRST_TOKENS for _, b in rounds)
    print(f"cached_tokens covers the first turn: {'ok' if honest else 'MISSED'}")
    return not (met and honest)


async def conversation(server: Server, number: int) -> tuple[Timing, Timing]:
    """Both turns; the second holds the first's answer as the server gave it."""
    messages = [
        {"role": "system", "content": f"Conversation {number}."},
        {"role": "user", "content": text(FIRST_TOKENS, seed=20_000 + number)},
    ]
    first = await chat(server, messages, max_tokens=NEW_TOKENS)
    messages += [
        {"role": "assistant", "content": first.text},
        {"role": "user", "content": text(SECOND_TOKENS, seed=30_000 + number)},
    ]
    return first, await chat(server, messages, max_tokens=NEW_TOKENS)


if __name__ == "__main__":
    sys.exit(main())
