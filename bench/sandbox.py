"""What the sandbox costs: a command in it against the same command without, in turn.

The command does nothing, so the difference is the sandbox's own time.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import parser, spread, verdict
from tools.bounds import Bounds, Sandbox
from tools.command import run_to_end
from tools.sandbox import choose_sandbox, unconfined

BAR_S = 0.020


def main() -> int:
    rounds = parser(__doc__, rounds=50).parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        inside, outside, name = asyncio.run(measured(Path(folder), rounds))
    print(f"{name}: {spread([1e3 * each for each in inside])} ms a command, ", end="")
    print(f"without {spread([1e3 * each for each in outside])} ms")
    added = [a - b for a, b in zip(inside, outside, strict=True)]
    return not verdict("seconds a sandbox adds to a command", statistics.median(added), BAR_S)


async def measured(folder: Path, rounds: int):
    bounds = Bounds(folder / "work", folder / "scratch", folder / "kept")
    for each in (bounds.workspace, bounds.scratch / "home", bounds.kept):
        each.mkdir(parents=True)
    sandbox, none = await choose_sandbox(bounds), unconfined(bounds)
    pairs = [(await once(sandbox, bounds), await once(none, bounds)) for _ in range(rounds + 3)]
    inside, outside = zip(*pairs[3:], strict=True)
    return inside, outside, sandbox.name


async def once(sandbox: Sandbox, bounds: Bounds) -> float:
    began = time.perf_counter()
    launch = sandbox.launch("true", str(bounds.workspace))
    ended = await run_to_end(launch, timeout_s=30, emit=str)
    assert ended.status == 0, ended.output
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
