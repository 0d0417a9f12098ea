"""The seam to the platform: files, tools, NVIDIA's library and what Python knows of the host.

Everything that detection asks goes through a Probe, so that a recorded machine can answer.
"""

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from hardware import cpu

# A tool that answers slower is as good as none: a start waits for it.
TOOL_TIMEOUT_S = 5.0

Runner = Callable[[Sequence[str]], str]


class ToolFailed(Exception):
    """A tool or library of the platform is missing, failed or did not answer in time."""


class ToolMissing(ToolFailed):
    """The tool is not installed."""


@dataclass(frozen=True, slots=True)
class Host:
    """What Python and psutil say of the machine. None: they do not know.

    `allowed_cores` is how many logical cores this process may run on.
    """

    system: str
    machine: str
    processor: str = ""
    physical_cores: int | None = None
    logical_cores: int | None = None
    allowed_cores: int | None = None
    memory_total_bytes: int = 0
    memory_available_bytes: int = 0
    on_battery: bool | None = None
    windows_features: frozenset[str] = frozenset()


def run_tool(command: Sequence[str], search_path: str | None) -> str:
    """Run a tool found on `search_path` and return its output; raises ToolFailed."""
    executable = shutil.which(command[0], path=search_path)
    if executable is None:
        raise ToolMissing(f"{command[0]} is not installed")
    try:
        done = subprocess.run(
            [executable, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TOOL_TIMEOUT_S,
            text=True,
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolFailed(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        raise ToolFailed(f"{command[0]} ended with status {done.returncode}")
    return done.stdout


def nvidia_library() -> Any:
    """The bindings to NVML, not yet initialised; raises ToolFailed where they are missing."""
    try:
        import pynvml  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise ToolFailed(f"the Python package nvidia-ml-py is not installed ({error})") from error
    return pynvml


def this_host() -> Host:
    """The machine that this process runs on."""
    memory = psutil.virtual_memory()
    return Host(
        system=platform.system(),
        machine=platform.machine(),
        processor=platform.processor() if platform.system() == "Windows" else "",
        physical_cores=psutil.cpu_count(logical=False),
        logical_cores=psutil.cpu_count(),
        allowed_cores=_allowed_cores(),
        memory_total_bytes=memory.total,
        memory_available_bytes=memory.available,
        on_battery=_on_battery(),
        windows_features=cpu.windows_features(_windows_present()),
    )


def free_bytes(folder: Path) -> int | None:
    """What is free on the disk of a folder; None where there is no such folder."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _allowed_cores() -> int | None:
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):  # macOS
        return None
    return len(process.cpu_affinity() or ()) or None


def _on_battery() -> bool | None:
    # psutil leaves the function out where the platform has none, so its types do not know it
    sensors: Any = getattr(psutil, "sensors_battery", None)
    try:
        battery = sensors() if sensors else None
    except OSError:
        return None
    if battery is None or battery.power_plugged is None:
        return None
    return not battery.power_plugged


def _windows_present() -> list[int]:
    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return []
    is_present = windll.kernel32.IsProcessorFeaturePresent
    return [number for number in cpu.WINDOWS_FEATURE_NUMBERS if is_present(number)]


@dataclass(frozen=True)
class Probe:
    """What detection asks: `host`, files below `root`, tools through `run`, the owner's `environ`.

    `run` returns a command's standard output and raises ToolFailed; `nvml` returns NVIDIA's
    management library as a module and raises ToolFailed; `free_bytes` is of a folder's disk.
    """

    environ: Mapping[str, str]
    run: Runner
    host: Host = field(default_factory=this_host)
    root: Path = Path("/")
    nvml: Callable[[], Any] = nvidia_library
    free_bytes: Callable[[Path], int | None] = free_bytes

    def read(self, path: str) -> str:
        """A file's text, empty where there is none or it may not be read."""
        try:
            return (self.root / path).read_text("utf-8", errors="replace")
        except OSError:
            return ""

    def names(self, folder: str) -> list[str]:
        """The names in a folder in their order; none where there is no such folder."""
        try:
            return sorted(entry.name for entry in (self.root / folder).iterdir())
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """Whether there is such a file, as far as this user may know."""
        try:
            return (self.root / path).exists()
        except OSError:
            return False
