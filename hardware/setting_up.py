"""What a person types to set this project up, in the words of their system.

Any Python can read it: one that is too old, or lacks our packages, is told by it what to start.
"""

import platform


def setup_command(system: str = "", *, engine: str = "", mlx: str = "") -> str:
    """What makes `.venv` and builds the engine, by itself or as it is said. `system` is a
    snapshot's platform; nothing: this machine's.
    """
    if _is_windows(system):
        chosen = {"--engine": engine, "--mlx": mlx}
        return r"py scripts\setup.py" + "".join(f" {k} {v}" for k, v in chosen.items() if v)
    chosen = {"ENGINE": engine, "MLX": mlx}
    return "make setup" + "".join(f" {k}={v}" for k, v in chosen.items() if v)


def python_command(system: str = "") -> str:
    """The Python of `.venv`."""
    return r".venv\Scripts\python" if _is_windows(system) else ".venv/bin/python"


def _is_windows(system: str) -> bool:
    return (system or platform.system()).startswith("Windows")
