"""16 streams of different prompts at once: our node against `llama-server -np 16`.

256 tokens in, 96 out, all started together. llama-server keeps its default with -np, one
key-value cache for each slot. Tokens per second count what was generated, from the first
request to the last token; the time to the first token is each stream's own.
"""

import asyncio
import statistics
import sys
from dataclasses import dataclass

from bench.client import Timing, at_once
from bench.figures import alternate, median_ratio, parser, percentile, spread, verdict
from bench.models import random_model, text
from bench.servers import Server, llama_server, node

STREAMS = 16
PROMPT_TOKENS = 256
NEW_TOKENS = 96
SPEED_BAR = 0.95
FIRST_BAR = 1.0


@dataclass(frozen=True, slots=True)
class Round:
    """What all streams of a round did together."""

    tokens_per_s: float
    first_p50_s: float
    first_p95_s: float
    longest_pause_s: float


def main() -> int:
    chosen = parser(__doc__, rounds=5).parse_args()
    model = chosen.model or random_model()
    cells = STREAMS * (PROMPT_TOKENS + 2 * NEW_TOKENS + 64)
    with node(model) as ours, llama_server(model, "-np", str(STREAMS), "-c", str(cells)) as peer:
        ask(ours, -1)  # warms both up
        ask(peer, -1)
        pairs = alternate(chosen.rounds, lambda i: ask(ours, i), lambda i: ask(peer, i))
    for server, rounds in ((ours, [a for a, _ in pairs]), (peer, [b for _, b in pairs])):
        print(
            f"{server.name}: {spread([r.tokens_per_s for r in rounds])} tokens/s, first token "
            f"p50 {spread([r.first_p50_s for r in rounds])} s, "
            f"p95 {spread([r.first_p95_s for r in rounds])} s, "
            f"longest pause {spread([r.longest_pause_s for r in rounds])} s"
        )
    speed = median_ratio([(a.tokens_per_s, b.tokens_per_s) for a, b in pairs])
    first = median_ratio([(a.first_p95_s, b.first_p95_s) for a, b in pairs])
    met = verdict("tokens/s of node / llama-server", speed, SPEED_BAR, at_least=True)
    return not (verdict("first token p95 of node / llama-server", first, FIRST_BAR) and met)


def ask(server: Server, number: int) -> Round:
    prompts = [text(PROMPT_TOKENS, seed=10_000 + number * STREAMS + i) for i in range(STREAMS)]
    timings = asyncio.run(at_once(server, prompts, max_tokens=NEW_TOKENS))
    for timing in timings:
        if (timing.prompt_tokens, timing.completion_tokens) != (PROMPT_TOKENS, NEW_TOKENS):
            raise RuntimeError(f"{server.name} did other work: {timing}")
    firsts = [timing.first_s for timing in timings]
    return Round(
        tokens_per_s=STREAMS * NEW_TOKENS / max(timing.total_s for timing in timings),
        first_p50_s=statistics.median(firsts),
        first_p95_s=percentile(firsts, 0.95),
        longest_pause_s=max(map(longest_pause, timings)),
    )


def longest_pause(timing: Timing) -> float:
    """The longest wait for a next piece of text in a stream that has begun."""
    return max(b - a for a, b in zip(timing.pieces_s, timing.pieces_s[1:], strict=False))


if __name__ == "__main__":
    sys.exit(main())
