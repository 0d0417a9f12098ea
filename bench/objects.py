"""N = 4 candidates of one prompt: our node against four separate `llama_cpp.Llama` objects.

Four objects in one process is how swarms on one machine are often built. They answer one after
the other, each with all threads (the faster way for them), or with `--parallel` in four Python
threads at once. 1,000 tokens of prompt, 64 generated for each candidate; every prompt is new.

Memory is the proportional set size (PSS) after the work, pages of the mapped model file
included, for the node the sum over its processes. Only what is measured is running then, so
that the file's pages are shared with nobody else. Node and objects have the same context.
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.candidates import NEW_TOKENS, PROMPT_TOKENS, check
from bench.client import whole
from bench.figures import alternate, median_ratio, parser, spread, verdict
from bench.models import random_model, text
from bench.native import Worker, worker
from bench.servers import THREADS, Server, node

CANDIDATES = 4
CONTEXT_TOKENS = 4096
SPEED_BAR = 3.0
MEMORY_BAR = 1.2


def main() -> int:
    options = parser(__doc__, rounds=3)
    options.add_argument("--parallel", action="store_true", help="the objects all at once")
    chosen = options.parse_args()
    model = chosen.model or random_model()
    mode = "parallel" if chosen.parallel else "sequential"
    with (
        node(model, "--ctx", str(CONTEXT_TOKENS)) as ours,
        worker("objects", model, THREADS, CONTEXT_TOKENS, CANDIDATES, mode) as theirs,
    ):
        ask_node(ours, -1)
        pairs = alternate(chosen.rounds, lambda i: ask_node(ours, i), lambda i: ask(theirs, i))
    print(f"node {spread([a for a, _ in pairs])} s, four objects, {mode}, ", end="")
    print(f"{spread([b for _, b in pairs])} s")
    speed = median_ratio([(theirs, ours) for ours, theirs in pairs])
    fast = verdict("time of four objects / node", speed, SPEED_BAR, at_least=True)
    return not (compare_memory(model) and fast)


def compare_memory(model: Path) -> bool:
    with node(model, "--ctx", str(CONTEXT_TOKENS)) as server:
        ask_node(server, -2)
        ours = pss(server.processes())
    one, four = memory_of_objects(model, 1), memory_of_objects(model, CANDIDATES)
    print(f"memory: node {mib(ours)}, one object {mib(one)}, four objects {mib(four)}")
    return verdict("memory of node / one object", ours / one, MEMORY_BAR)


def memory_of_objects(model: Path, count: int) -> int:
    with worker("objects", model, THREADS, CONTEXT_TOKENS, count, "sequential") as theirs:
        ask(theirs, -2, count)
        return pss(theirs.processes())


def ask_node(server: Server, number: int) -> float:
    prompt = text(PROMPT_TOKENS, seed=40_000 + number)
    timing = asyncio.run(whole(server, prompt, n=CANDIDATES, max_tokens=NEW_TOKENS))
    check(server, timing, CANDIDATES)
    return timing.total_s


def ask(objects: Worker, number: int, count: int = CANDIDATES) -> float:
    prompt = text(PROMPT_TOKENS, seed=40_000 + number)
    reply = objects.ask(prompt=prompt, max_tokens=NEW_TOKENS)
    if reply["tokens"] != [NEW_TOKENS] * count:
        raise RuntimeError(f"the objects generated something else: {reply}")
    return reply["seconds"]


def pss(processes: Sequence[psutil.Process]) -> int:
    return sum(process.memory_full_info().pss for process in processes)


def mib(count: int) -> str:
    return f"{count / (1 << 20):.0f} MiB"


if __name__ == "__main__":
    sys.exit(main())
