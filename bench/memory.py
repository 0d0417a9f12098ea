"""Memory that a model takes: what `swarm/models/memory.py` predicts against what the engine has.

Random-weight files of several shapes, each with several contexts, each in a process of its own
that loads the engine and lets a few sequences read a prompt and generate. Measured is the
process's resident memory. Ends with status 1 where a prediction is off by more than a tenth.
"""

import argparse
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil

from bench.figures import bare_parser, verdict
from bench.models import FOLDER, HALF_B, Shape, random_model
from swarm.engines.llama.options import LlamaOptions
from swarm.models.header import read_header
from swarm.models.memory import footprint
from swarm.types import Prompt, SamplingParams

SHAPES = (
    HALF_B,
    Shape("random-narrow", 12, 512, 2048, 8, 8, 32_768),
    Shape("random-wide-rows", 4, 1024, 16_384, 8, 2, 32_768),
    Shape("random-large-words", 4, 1024, 4096, 16, 2, 131_072),
    Shape("random-deep", 32, 768, 2048, 12, 4, 16_384),
    Shape("random-all-heads", 8, 1536, 4096, 12, 12, 65_536),
)
CONTEXTS = 4096, 16_384, 32_768
SEQUENCES = 4
PROMPT_TOKENS = 1100
"""Two whole batches and a little: what a batch takes is then written once, but for the mask of
cells that nothing uses yet. `pause_s` is long, so that a slow machine does not cut the batches."""

BAR = 0.1


def main() -> int:
    made = bare_parser(__doc__)
    made.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    if one := made.parse_args().one:
        path, context = one
        print(resident_bytes(Path(path), int(context)))
        return 0
    errors = [error(shape, context) for shape in SHAPES for context in CONTEXTS]
    return 0 if verdict("largest error of a prediction", max(errors), BAR) else 1


def error(shape: Shape, context: int, *, folder: Path = FOLDER) -> float:
    """How far the prediction is off, as a share of what is measured."""
    path = random_model(replace(shape, context_tokens=max(CONTEXTS)), folder=folder)
    predicted = predicted_bytes(path, context)
    measured = measured_bytes(path, context)
    off = predicted / measured - 1
    print(
        f"{shape.name}, context {context}: predicted {predicted / 1e6:.0f} MB, "
        f"measured {measured / 1e6:.0f} MB, {off:+.1%}",
        flush=True,
    )
    return abs(off)


def predicted_bytes(path: Path, context: int) -> int:
    shape = read_header(path).shape
    return footprint(shape, path.stat().st_size, context, rows=SEQUENCES).total_bytes


def measured_bytes(path: Path, context: int) -> int:
    """What a process of its own has after its work."""
    command = [sys.executable, "-m", "bench.memory", "--one", str(path), str(context)]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return int(done.stdout)


def resident_bytes(path: Path, context: int) -> int:
    """Load, read and generate in this process; its resident memory after that."""
    from swarm.engines.llama.engine import load  # noqa: PLC0415

    options = LlamaOptions(path, context, context, gpu_layers=-1, pause_s=3600)
    engine = load(options)
    tokens = tuple(300 + i % 100 for i in range(PROMPT_TOKENS))
    engine.submit(1, Prompt(tokens, SamplingParams(temperature=1.0, max_tokens=8), n=SEQUENCES))
    while engine.busy:
        engine.step()
    return psutil.Process().memory_info().rss


if __name__ == "__main__":
    sys.exit(main())
