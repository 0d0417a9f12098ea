"""What HTTP, the process border and Python cost: our node against a bare `llama_decode` loop.

The same prompt, sampling, threads and OpenMP settings; the loop runs in a process of its own
with nothing around it. The decode speed is that of 128 tokens after the first; the time to the
first token is compared on a prompt of 64 tokens, for reading a long one varies by more than
what is measured here.

The engine takes `--threads` cores. Where it takes all of them, the node and this client stand in
its way: each of its operations waits for the thread that they displace.
"""

import asyncio
import statistics
import sys
from typing import Any

from bench.client import Timing, streamed
from bench.figures import alternate, parser, spread, verdict
from bench.models import random_model, text
from bench.native import worker
from bench.servers import THREADS, node
from swarm.engines.starting import ENGINE_ENVIRONMENT

PROMPT_TOKENS = 64
NEW_TOKENS = 129
CONTEXT_TOKENS = 4096
DECODE_BAR = 1.03
FIRST_BAR_S = 0.020


def main() -> int:
    options = parser(__doc__, rounds=9)
    options.add_argument("--threads", type=int, default=THREADS, help="the engine's threads")
    chosen = options.parse_args()
    threads: int = chosen.threads
    settings = ("--ctx", str(CONTEXT_TOKENS), "--threads", str(threads))
    model = chosen.model or random_model()
    with (
        node(model, *settings, environment=ENGINE_ENVIRONMENT) as ours,
        worker("bare", model, threads, CONTEXT_TOKENS, environment=ENGINE_ENVIRONMENT) as loop,
    ):

        def through_http(number: int) -> Timing:
            return asyncio.run(streamed(ours, prompt(number), max_tokens=NEW_TOKENS))

        def by_hand(number: int) -> dict[str, Any]:
            return loop.ask(prompt=prompt(number), max_tokens=NEW_TOKENS)

        through_http(-1)
        by_hand(-1)
        pairs = alternate(chosen.rounds, through_http, by_hand)
    ours_s = [1 / timing.decode_speed for timing, _ in pairs]
    loop_s = [(bare["total_s"] - bare["first_s"]) / (NEW_TOKENS - 1) for _, bare in pairs]
    print(f"decode: node {spread([1e3 * s for s in ours_s])} ms a token, ", end="")
    print(f"loop {spread([1e3 * s for s in loop_s])} ms a token")
    firsts = [(timing.first_s, bare["first_s"]) for timing, bare in pairs]
    print(f"first token: node {spread([1e3 * a for a, _ in firsts])} ms, ", end="")
    print(f"loop {spread([1e3 * b for _, b in firsts])} ms")
    decode = statistics.median(a / b for a, b in zip(ours_s, loop_s, strict=True))
    met = verdict("time per token, node / loop", decode, DECODE_BAR)
    added = statistics.median(a - b for a, b in firsts)
    return not (verdict("seconds added to the first token", added, FIRST_BAR_S) and met)


def prompt(number: int) -> str:
    return text(PROMPT_TOKENS, seed=50_000 + number)


if __name__ == "__main__":
    sys.exit(main())
