"""Makes `.venv` from the lock and builds the engine: all that a bare machine needs.

    python scripts/setup.py [--runtime] [--engine auto|cpu|cuda|metal|hip|vulkan]
        [--mlx auto|yes|no]

Needs Python 3.11 or newer and a C++ compiler. What already stands is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import platform
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed-lock"
LOCKS = {group: ROOT / f"requirements/{group}.lock" for group in ("runtime", "dev", "mlx")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", action="store_true", help="without tools for tests and checks")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--mlx", default="auto", choices=("auto", "yes", "no"))
    options = parser.parse_args()
    problem = missing(sys.version_info[:3], sys.platform)
    if problem:
        print("setup: " + problem, file=sys.stderr)
        return 1
    make_venv()
    groups = ["runtime" if options.runtime else "dev"]
    groups += ["mlx"] if wants_mlx(options.mlx, platform.system(), platform.machine()) else []
    for group in groups:
        if not install(group):
            print("setup: " + not_installed(LOCKS[group].name), file=sys.stderr)
            return 1
    build = [str(python()), "-m", "scripts.build_engine", "--engine", options.engine]
    return subprocess.call(build, cwd=ROOT)


def missing(version: tuple[int, int, int], system: str) -> str | None:
    """What this machine lacks, as a sentence for the person; None if nothing.

    `version` is Python's, `system` as in sys.platform.
    """
    if version < (3, 11):
        again = r"py -3.12 scripts\setup.py" if system == "win32" else "make PYTHON=python3.12"
        running = ".".join(map(str, version))
        return f"Python 3.11 or newer is needed, this is {running}: install one and run {again}"
    if importlib.util.find_spec("ensurepip") is None:  # Debian packs it apart
        return "this Python has no pip for new environments: apt-get install python3-venv"
    return None


def make_venv() -> None:
    """An empty environment, unless one stands whose Python runs."""
    if python().exists() and subprocess.call([str(python()), "-c", ""]) == 0:
        return
    print("setup: making .venv")
    venv.create(VENV, system_site_packages=sees_system(sys.platform), clear=True, with_pip=True)


def sees_system(system: str) -> bool:
    """Whether the environment holds what the system has installed, too.

    In Termux that is a psutil that was patched: its own sources refuse Android.
    """
    return system == "android"


def wants_mlx(choice: str, system: str, machine: str) -> bool:
    """Whether the MLX engine is installed too: by itself only where it has a GPU to use."""
    return choice == "yes" or (choice == "auto" and (system, machine) == ("Darwin", "arm64"))


def install(group: str) -> bool:
    """Everything in the group's lock, unless it is installed already; whether it now is."""
    installed = dict(line.split() for line in _stamp_lines())
    if installed.get(group) == fingerprint(group):
        return True
    print(f"setup: installing {LOCKS[group].name}", flush=True)
    pip = [str(python()), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    if subprocess.call([*pip, "--require-hashes", "-r", str(LOCKS[group])], cwd=ROOT) != 0:
        return False
    # The dev lock holds all of the runtime's.
    for each in ("runtime", "dev") if group == "dev" else (group,):
        installed[each] = fingerprint(each)
    lines = "".join(f"{name} {digest}\n" for name, digest in installed.items())
    STAMP.write_text(lines, "utf-8")
    return True


def not_installed(lock: str) -> str:
    """What a person may do where pip failed, which has said why."""
    return (
        f"pip could not install what {lock} lists, for the reason above. Where there are no wheels "
        "for a system (Intel Macs, Windows on ARM, Alpine, Termux), Rust is needed too: "
        "https://rustup.rs"
    )


def _stamp_lines() -> list[str]:
    """Of each installed group its name and fingerprint."""
    lines = STAMP.read_text("utf-8").splitlines() if STAMP.exists() else []
    return [line for line in lines if len(line.split()) == 2]


def fingerprint(group: str) -> str:
    return hashlib.sha256(LOCKS[group].read_bytes()).hexdigest()


def python() -> Path:
    windows = VENV / "Scripts" / "python.exe"
    return windows if sys.platform == "win32" else VENV / "bin" / "python"


if __name__ == "__main__":
    sys.exit(main())
