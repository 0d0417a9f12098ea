"""N candidates of one prompt through HTTP: our node against llama-server's `n=N`.

1,000 tokens of prompt, 64 generated for each candidate; every prompt is new to both servers.
llama-server runs in the mode that is faster for it: one key-value cache for all slots, or one
for each (`--split`, its default with -np).
"""

import asyncio
import sys

from bench.client import Timing, whole
from bench.figures import alternate, median_ratio, parser, spread, verdict
from bench.models import random_model, text
from bench.servers import Server, llama_server, node

PROMPT_TOKENS = 1000
NEW_TOKENS = 64
BAR = 1.05


def main() -> int:
    options = parser(__doc__, rounds=7)
    options.add_argument("--candidates", type=int, nargs="+", default=[4, 8])
    options.add_argument("--split", action="store_true", help="llama-server's split cache")
    chosen = options.parse_args()
    model = chosen.model or random_model()
    met = True
    for n in chosen.candidates:
        mode = "--no-kv-unified" if chosen.split else "--kv-unified"
        cells = (PROMPT_TOKENS + 2 * NEW_TOKENS) * n
        with (
            node(model) as ours,
            llama_server(model, "-np", str(n), "-c", str(cells), mode) as peer,
        ):
            met &= compare(ours, peer, n, chosen.rounds)
    return not met


def compare(ours: Server, peer: Server, n: int, rounds: int) -> bool:
    """Print the times of both servers and their ratio; whether the bar is met."""

    def ask(server: Server, number: int) -> float:
        prompt = text(PROMPT_TOKENS, seed=1000 * n + number)
        timing = asyncio.run(whole(server, prompt, n=n, max_tokens=NEW_TOKENS))
        check(server, timing, n)
        return timing.total_s

    ask(ours, -1), ask(peer, -1)  # warms both up
    pairs = alternate(rounds, lambda i: ask(ours, i), lambda i: ask(peer, i))
    print(f"N={n}: node {spread([a for a, _ in pairs])} s, ", end="")
    print(f"llama-server {spread([b for _, b in pairs])} s")
    return verdict(f"N={n}, time of node / llama-server", median_ratio(pairs), BAR)


def check(server: Server, timing: Timing, n: int) -> None:
    """Both must have done the same work, and all of it."""
    if timing.prompt_tokens != PROMPT_TOKENS or timing.cached_tokens:
        raise RuntimeError(f"{server.name} read another prompt: {timing}")
    if timing.completion_tokens not in {NEW_TOKENS, n * NEW_TOKENS}:
        raise RuntimeError(f"{server.name} generated something else: {timing}")


if __name__ == "__main__":
    sys.exit(main())
