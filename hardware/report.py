"""A snapshot told in full: to a person, and as plain data to a program."""

import json
from dataclasses import asdict
from typing import Any

from hardware.snapshot import Accelerator, Snapshot, accelerator_line, gib

_ARITHMETIC = ("avx", "fma", "f16c", "bmi2", "sse4", "amx", "asimd", "sve", "sme", "i8mm", "bf16")


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot's fields under their own names, in values that JSON has."""
    return asdict(snapshot) | {"features": sorted(snapshot.features)}


def encode_json(snapshot: Snapshot) -> str:
    """The same as a JSON text."""
    return json.dumps(as_json(snapshot), indent=1)


def details(snapshot: Snapshot) -> list[str]:
    """Lines for a person: a title and what belongs to it, unknowns last."""
    lines = [f"platform     {_platform(snapshot)}", f"processor    {snapshot.cpu_name}"]
    lines += [f"cores        {_cores(snapshot)}", f"memory       {_memory(snapshot)}"]
    lines += [f"instructions {' '.join(_instructions(snapshot)) or 'unknown'}"]
    if snapshot.on_battery is not None:
        lines.append(f"power        {'battery' if snapshot.on_battery else 'mains'}")
    lines += [f"accelerator  {_accelerator(each)}" for each in snapshot.accelerators]
    if not snapshot.accelerators:
        lines.append("accelerator  none")
    lines += [f"not used     {other}" for other in snapshot.others]
    for place in snapshot.storage:
        free = "unknown" if place.free_bytes is None else f"{gib(place.free_bytes)} free"
        lines.append(f"storage      {place.path}: {free}")
    return lines + [f"unknown      {unknown}" for unknown in snapshot.unknowns]


def _instructions(snapshot: Snapshot) -> list[str]:
    """Those that matter to a model's arithmetic, the rest as a number."""
    told = sorted(name for name in snapshot.features if name.startswith(_ARITHMETIC))
    rest = len(snapshot.features) - len(told)
    return [*told, f"and {rest} others"] if rest else told


def _platform(snapshot: Snapshot) -> str:
    inside = ", ".join(snapshot.surroundings)
    return f"{snapshot.platform} ({inside})" if inside else snapshot.platform


def _cores(snapshot: Snapshot) -> str:
    text = f"{snapshot.physical_cores} physical, {snapshot.usable_cores} usable"
    if snapshot.performance_cores is not None:
        text += f", {snapshot.performance_cores} of them fast"
    return f"{text}, {snapshot.numa_nodes} NUMA nodes" if snapshot.numa_nodes > 1 else text


def _memory(snapshot: Snapshot) -> str:
    return f"{gib(snapshot.memory_total_bytes)}, {gib(snapshot.memory_available_bytes)} free"


def _accelerator(accelerator: Accelerator) -> str:
    extra = [
        f"architecture {accelerator.architecture}" if accelerator.architecture else "",
        f"{accelerator.cores} cores" if accelerator.cores else "",
        f"driver {accelerator.driver}" if accelerator.driver else "",
    ]
    return ", ".join([accelerator_line(accelerator), *filter(None, extra)])
