"""What one step of the engine costs, by how many sequences it computes a token for.

The engine's own context in this process, without sampling: the price of one more voter. Each
sequence has 128 tokens behind it. Also the time to read a prompt of 512 tokens.
"""

import os
import statistics
import sys
import time
from pathlib import Path

from swarm.engines.starting import ENGINE_ENVIRONMENT

os.environ.update(ENGINE_ENVIRONMENT)  # libgomp reads it once, when it is loaded

from bench.figures import parser
from bench.models import random_model
from bench.servers import THREADS
from swarm.engines.llama.bindings import Model, start_backend
from swarm.engines.llama.context import Context
from swarm.engines.llama.options import LlamaOptions

WIDTHS = (1, 2, 4, 6, 8, 12, 16)
BEHIND, PROMPT = 128, 512
CELLS = 4096


def main() -> int:
    chosen = parser(__doc__, rounds=15).parse_args()
    context = opened(chosen.model or random_model())
    whole = [seconds(context, [0], 0, PROMPT) for _ in range(3)]
    print(f"a prompt of {PROMPT} tokens: {1e3 * statistics.median(whole):.0f} ms")
    for slot in range(max(WIDTHS)):
        seconds(context, [slot], 0, BEHIND)
    for width in WIDTHS:
        steps = [seconds(context, range(width), BEHIND, 1) for _ in range(chosen.rounds)]
        step = statistics.median(steps)
        speed = width / step
        print(f"{width} sequences: {1e3 * step:.1f} ms a step, {speed:.0f} tokens/s", flush=True)
    return 0


def opened(path: Path) -> Context:
    start_backend()
    options = LlamaOptions(path, CELLS, CELLS, gpu_layers=0, threads=THREADS)
    return Context(Model(path, gpu_layers=0), options, cells=CELLS, slots=max(WIDTHS))


def seconds(context: Context, slots: "range | list[int]", start: int, count: int) -> float:
    """Compute `count` tokens from position `start` in each slot, forgetting what was there."""
    context.batch.clear()
    row = 0
    for slot in slots:
        if not context.truncate(slot, start):
            context.clear(slot)
        row = context.batch.add([7 + slot] * count, slot=slot, start=start, want_logits=True)
    began = time.perf_counter()
    context.decode()
    context.logits(row)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
