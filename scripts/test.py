"""The tests, as people and CI run them: `python -m scripts.test`.

First the unit tests in random order, on up to four cores, with their coverage (at least 80 %),
then whole parts (tests/parts: engines with real weights, processes, sandboxes, a federation on
real sockets), each file in one process, then the whole nodes of tests/e2e, one after the other:
they need the machine to themselves. With CI set in the environment a skipped test is a failure.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COVERAGE_FLOOR = 80

PARALLEL = ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile")
COVERAGE = ("--cov", "--cov-report=term", f"--cov-fail-under={COVERAGE_FLOOR}")
STEPS = {
    "unit tests": ("--ignore=tests/parts", "--ignore=tests/e2e", *PARALLEL, *COVERAGE),
    "whole parts": ("tests/parts", *PARALLEL),
    "whole nodes": ("tests/e2e",),
}


def main() -> int:
    for title, options in STEPS.items():
        print(f"test: {title}", flush=True)
        status = subprocess.call([sys.executable, "-m", "pytest", *options], cwd=ROOT)
        if status != 0:
            return status
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
