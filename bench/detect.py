"""How long `main.py --detect` takes, as a process from its start to its end.

The bar is 0.5 s; 1 s where a vendor's own library or tool is asked. Processor time is told
beside it: on a busy machine it says more.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figures import parser, spread, verdict

MAIN = Path(__file__).parents[1] / "main.py"
GPU_TOOLS = ("nvidia-smi", "rocminfo", "ioreg")


def main() -> int:
    rounds = parser(__doc__, rounds=10).parse_args().rounds
    found = detect()[2]
    print(f"accelerators: {[each['name'] for each in found['accelerators']] or 'none'}")
    tools = any(shutil.which(tool) for tool in GPU_TOOLS)
    seconds = [detect()[:2] for _ in range(rounds)]
    print(f"processor time, s: {spread([processor for _, processor in seconds])}")
    print(f"time, s: {spread([elapsed for elapsed, _ in seconds])}")
    median = statistics.median(elapsed for elapsed, _ in seconds)
    return not verdict("time of --detect", median, 1.0 if tools else 0.5)


def detect():
    """Seconds, seconds of processor time, and what was found."""
    before = processor_seconds()
    began = time.perf_counter()
    command = [sys.executable, str(MAIN), "--detect", "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    elapsed = time.perf_counter() - began
    return elapsed, processor_seconds() - before, json.loads(done.stdout)


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
