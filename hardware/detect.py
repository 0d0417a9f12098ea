"""Looks at this machine and joins what the probes say. It never fails: what cannot be found
out is named in the snapshot's `unknowns`."""

import re
from collections.abc import Iterable, Mapping

from hardware import amd, apple, cgroup, cpu, intel, nvidia, pci, qualcomm
from hardware.probe import Probe, ToolFailed, run_tool
from hardware.snapshot import Found, Snapshot, Storage

_CPU_FOLDER = "sys/devices/system/cpu"


def detect(environ: Mapping[str, str]) -> Snapshot:
    """What this machine has now, within the limits of its container."""
    search_path = environ.get("PATH")
    return snapshot_of(Probe(environ, run=lambda command: run_tool(command, search_path)))


def snapshot_of(probe: Probe) -> Snapshot:
    """The snapshot that one probe's answers make."""
    host = probe.host
    unknowns: list[str] = []
    sysctl = _sysctl(probe, unknowns)
    properties = qualcomm.properties(probe)
    chip = _chip(probe, properties)
    processor = _processor(probe, sysctl)
    name = str(chip) if chip else _board(probe, processor) or processor.name
    unknowns += ["the processor's name"] if name is None else []
    unknowns += [] if processor.features else ["the processor's instruction sets"]
    physical = _physical_cores(probe, unknowns)
    total, available = _memory(probe)
    found = _found(probe, sysctl, properties, chip)
    return Snapshot(
        platform=f"{'Android' if qualcomm.is_android(probe) else host.system} {host.machine}",
        cpu_name=name or host.machine or "unknown processor",
        physical_cores=physical,
        usable_cores=_usable_cores(probe, physical),
        features=processor.features,
        memory_total_bytes=total,
        memory_available_bytes=available,
        accelerators=found.accelerators,
        unknowns=(*unknowns, *found.unknowns),
        performance_cores=_performance_cores(probe, sysctl, processor),
        numa_nodes=max(1, len(cpu.parse_cpu_list(probe.read("sys/devices/system/node/online")))),
        on_battery=host.on_battery,
        surroundings=_surroundings(probe),
        others=found.others,
        storage=_storage(probe),
    )


def _sysctl(probe: Probe, unknowns: list[str]) -> dict[str, str]:
    if probe.host.system != "Darwin":
        return {}
    try:
        return apple.parse_sysctl(probe.run(apple.COMMAND))
    except ToolFailed as error:
        unknowns.append(str(error))
        return {}


def _chip(probe: Probe, properties: Mapping[str, str]) -> qualcomm.Chip | None:
    if probe.host.system not in ("Linux", "Android"):
        return None
    compatible = probe.read("proc/device-tree/compatible").replace("\0", " ")
    return qualcomm.chip(properties, probe.read("proc/cpuinfo"), compatible)


def _board(probe: Probe, processor: cpu.Cpu) -> str | None:
    """A single board's own name with its cores, such as a Raspberry Pi's."""
    model = probe.read("proc/device-tree/model").strip("\0 \n")
    return f"{model}, {processor.name}" if model and processor.name else None


def _processor(probe: Probe, sysctl: Mapping[str, str]) -> cpu.Cpu:
    if probe.host.system == "Darwin":
        return apple.cpu(sysctl)
    if probe.host.system == "Windows":
        return cpu.Cpu(probe.host.processor or None, probe.host.windows_features)
    return cpu.parse_cpuinfo(probe.read("proc/cpuinfo"))


def _physical_cores(probe: Probe, unknowns: list[str]) -> int:
    if probe.host.physical_cores:
        return probe.host.physical_cores
    unknowns.append("how many of the cores are physical")
    return probe.host.logical_cores or 1


def _usable_cores(probe: Probe, physical: int) -> int:
    allowed = [float(probe.host.allowed_cores)] if probe.host.allowed_cores else []
    return max(1, int(min([float(physical), *allowed, *_cgroup_cores(probe)])))


def _performance_cores(probe: Probe, sysctl: Mapping[str, str], processor: cpu.Cpu) -> int | None:
    """The fast cores: Apple's performance level, Intel's cpu_core, ARM's big ones."""
    if sysctl:
        return apple.performance_cores(sysctl)
    fast = cpu.parse_cpu_list(probe.read("sys/devices/cpu_core/cpus"))
    if not fast:
        return cpu.performance_parts(processor.parts)
    siblings = {
        probe.read(f"{_CPU_FOLDER}/cpu{number}/topology/core_cpus_list") or str(number)
        for number in fast
    }
    return len(siblings)


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
    total, available = probe.host.memory_total_bytes, probe.host.memory_available_bytes
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


def _surroundings(probe: Probe) -> tuple[str, ...]:
    groups = probe.read("proc/self/cgroup")
    contained = probe.exists(".dockerenv") or probe.exists("run/.containerenv")
    signs = {
        "wsl": "microsoft" in probe.read("proc/version").lower(),
        "container": contained or bool(re.search(r"docker|kubepods|lxc|containerd", groups)),
        "termux": "TERMUX_VERSION" in probe.environ,
    }
    return tuple(name for name, present in signs.items() if present)


def _storage(probe: Probe) -> tuple[Storage, ...]:
    """The home, and on Android what it shares with the phone, as far as they are there."""
    home = probe.environ.get("HOME") or probe.environ.get("USERPROFILE")
    folders = [home] if home else []
    if qualcomm.is_android(probe):
        folders += [f"{home}/storage/shared", "/sdcard"]
    places = [(folder, probe.root / folder.removeprefix("/")) for folder in folders]
    return tuple(
        Storage(folder, probe.free_bytes(place)) for folder, place in places if place.exists()
    )


def _found(
    probe: Probe,
    sysctl: Mapping[str, str],
    properties: Mapping[str, str],
    chip: qualcomm.Chip | None,
) -> Found:
    if probe.host.system == "Darwin":
        return _metal(probe, sysctl)
    if properties or chip or qualcomm.graphics_model(probe):
        return qualcomm.find(probe, properties, chip)
    graphics, unlisted = _graphics(probe)
    memory = probe.host.memory_total_bytes
    nodes = any(name.startswith("renderD") for name in probe.names("dev/dri"))
    return (
        _cuda(probe, graphics)
        + amd.find(probe, graphics)
        + intel.accelerators(graphics, memory, render_nodes=nodes)
        + Found(unknowns=unlisted)
    )


def _metal(probe: Probe, sysctl: Mapping[str, str]) -> Found:
    try:
        cores = apple.parse_gpu_cores(probe.run(apple.GPU_COMMAND)) if sysctl else None
    except ToolFailed:
        cores = None
    metal = apple.accelerator(sysctl, cores)
    return Found((metal,) if metal else ())


def _graphics(probe: Probe) -> tuple[list[pci.Graphics], tuple[str, ...]]:
    """What lspci lists, and what stays unknown without it."""
    if probe.host.system == "Windows":
        return [], ("graphics devices of other makers than NVIDIA (not looked for on Windows)",)
    try:
        return pci.parse_lspci(probe.run(pci.COMMAND)), ()
    except ToolFailed as error:
        vendors = {
            probe.read(f"sys/class/drm/{name}/device/vendor").strip()
            for name in probe.names("sys/class/drm")
        }
        return [], (f"Intel's graphics ({error})",) if "0x8086" in vendors else ()


def _cuda(probe: Probe, graphics: Iterable[pci.Graphics]) -> Found:
    try:
        reading = nvidia.read(probe.nvml())
    except (ToolFailed, nvidia.NvmlFailed) as error:
        listed = [device.name for device in graphics if device.vendor == "NVIDIA"]
        if not listed and probe.read("proc/driver/nvidia/version"):
            listed = ["NVIDIA devices (a driver is loaded)"]
        return Found(others=tuple(f"{name} ({error})" for name in listed))
    return nvidia.accelerators(reading, probe.environ, probe.host.memory_total_bytes)
