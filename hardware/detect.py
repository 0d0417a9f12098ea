"""Looks at this machine and joins what the probes say. The only room that asks the system;
it never fails: what cannot be found out is named in the snapshot's `unknowns`."""

import ctypes
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hardware import apple, cgroup, cpu, nvidia
from hardware.snapshot import Accelerator, Snapshot

# A tool that answers slower is as good as none: a start waits for it.
TOOL_TIMEOUT_S = 5.0

Runner = Callable[[Sequence[str]], str]


class ToolFailed(Exception):
    """A tool of the platform is missing, failed or did not answer in time."""


@dataclass(frozen=True)
class Probe:
    """What detection asks: files below `root`, tools through `run`, the owner's `environ`.

    `run` returns a command's standard output and raises ToolFailed.
    """

    environ: Mapping[str, str]
    run: Runner
    root: Path = Path("/")
    system: str = field(default_factory=platform.system)

    def read(self, path: str) -> str:
        """A file's text, empty where there is none or it may not be read."""
        try:
            return (self.root / path).read_text(errors="replace")
        except OSError:
            return ""


def detect(environ: Mapping[str, str]) -> Snapshot:
    """What this machine has now, within the limits of its container."""
    search_path = environ.get("PATH")
    return snapshot_of(Probe(environ, run=lambda command: run_tool(command, search_path)))


def run_tool(command: Sequence[str], search_path: str | None) -> str:
    """Run a tool found on `search_path` and return its output; raises ToolFailed."""
    executable = shutil.which(command[0], path=search_path)
    if executable is None:
        raise ToolFailed(f"{command[0]} is not installed")
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


def snapshot_of(probe: Probe) -> Snapshot:
    """The snapshot that one probe's answers make."""
    unknowns: list[str] = []
    sysctl = _sysctl(probe, unknowns)
    processor = _processor(probe, sysctl)
    if processor.name is None:
        unknowns.append("the processor's name")
    if not processor.features:
        unknowns.append("the processor's instruction sets")
    physical = _physical_cores(unknowns)
    total, available = _memory(probe)
    return Snapshot(
        platform=f"{probe.system} {platform.machine()}",
        cpu_name=processor.name or platform.machine() or "unknown processor",
        physical_cores=physical,
        usable_cores=_usable_cores(probe, physical),
        features=processor.features,
        memory_total_bytes=total,
        memory_available_bytes=available,
        accelerators=_accelerators(probe, sysctl, unknowns),
        unknowns=tuple(unknowns),
    )


def _sysctl(probe: Probe, unknowns: list[str]) -> dict[str, str]:
    if probe.system != "Darwin":
        return {}
    try:
        return apple.parse_sysctl(probe.run(apple.COMMAND))
    except ToolFailed as error:
        unknowns.append(str(error))
        return {}


def _processor(probe: Probe, sysctl: Mapping[str, str]) -> cpu.Cpu:
    if probe.system == "Darwin":
        return apple.cpu(sysctl)
    if probe.system == "Windows":
        return cpu.Cpu(platform.processor() or None, cpu.windows_features(_windows_present()))
    return cpu.parse_cpuinfo(probe.read("proc/cpuinfo"))


def _windows_present() -> list[int]:
    windll = getattr(ctypes, "windll", None)
    if windll is None:
        return []
    is_present = windll.kernel32.IsProcessorFeaturePresent
    return [number for number in cpu.WINDOWS_FEATURE_NUMBERS if is_present(number)]


def _physical_cores(unknowns: list[str]) -> int:
    physical = psutil.cpu_count(logical=False)
    if physical:
        return physical
    unknowns.append("how many of the cores are physical")
    return psutil.cpu_count() or 1


def _usable_cores(probe: Probe, physical: int) -> int:
    limits = [float(physical), *_affinity(), *_cgroup_cores(probe)]
    return max(1, int(min(limits)))


def _affinity() -> list[float]:
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):  # macOS
        return []
    return [float(len(process.cpu_affinity() or ()))]


def _cgroup_cores(probe: Probe) -> list[float]:
    limits = [
        cgroup.parse_cpu_max(probe.read(f"{folder}/cpu.max"))
        for folder in _cgroup_folders(probe, "")
    ] + [
        cgroup.parse_cfs(
            probe.read(f"{folder}/cpu.cfs_quota_us"), probe.read(f"{folder}/cpu.cfs_period_us")
        )
        for folder in _cgroup_folders(probe, "cpu")
    ]
    return [limit for limit in limits if limit]


def _memory(probe: Probe) -> tuple[int, int]:
    """Total and available bytes, the smaller of the machine's and the container's."""
    memory = psutil.virtual_memory()
    total, available = memory.total, memory.available
    for controller, limit_file, usage_file in (
        ("", "memory.max", "memory.current"),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        for folder in _cgroup_folders(probe, controller):
            limit = cgroup.parse_memory_limit(probe.read(f"{folder}/{limit_file}"))
            if limit is None:
                continue
            used = cgroup.parse_memory_in_use(
                probe.read(f"{folder}/{usage_file}"), probe.read(f"{folder}/memory.stat")
            )
            total = min(total, limit)
            available = min(available, max(0, limit - (used or 0)))
    return total, available


def _cgroup_folders(probe: Probe, controller: str) -> list[str]:
    """This process's group and those above it, as folders below the root; '' is version 2."""
    membership = cgroup.parse_membership(probe.read("proc/self/cgroup"))
    if controller not in membership:
        return []
    mount = f"sys/fs/cgroup/{controller}".rstrip("/")
    return [f"{mount}/{path}".rstrip("/") for path in cgroup.ancestors(membership[controller])]


def _accelerators(
    probe: Probe, sysctl: Mapping[str, str], unknowns: list[str]
) -> tuple[Accelerator, ...]:
    if probe.system == "Darwin":
        metal = apple.accelerator(sysctl)
        return (metal,) if metal else ()
    try:
        devices = nvidia.parse_devices(probe.run(nvidia.COMMAND))
    except ToolFailed as error:
        if probe.read("proc/driver/nvidia/version"):
            unknowns.append(f"NVIDIA devices (a driver is loaded, but {error})")
        return ()
    return nvidia.visible(devices, probe.environ.get("CUDA_VISIBLE_DEVICES"))
