"""Everything about the code that needs no test run: `python -m scripts.check`."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINT_IMPORTS = "from importlinter.cli import lint_imports_command as run; run()"

CHECKS: tuple[tuple[str, Sequence[str]], ...] = (
    ("lint", ("-m", "ruff", "check", "--quiet", ".")),
    ("format", ("-m", "ruff", "format", "--check", ".")),
    ("types", ("-m", "basedpyright")),
    ("import contract", ("-c", LINT_IMPORTS)),
    ("budgets", ("-m", "scripts.budgets")),
    ("main without engines", ("-m", "scripts.import_main")),
)


def main() -> int:
    failed = [name for name, command in CHECKS if not _passes(name, command)]
    if failed:
        print(f"check: failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


def _passes(name: str, command: Sequence[str]) -> bool:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"check: {name}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
