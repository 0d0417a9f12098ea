"""Frozen facts about one machine, in bytes and cores; knows nothing of how they are found."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

AcceleratorKind: TypeAlias = Literal["cuda", "metal"]

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device that can hold layers of a model.

    `unified` says that its memory is the machine's own. `memory_free_bytes` is None where
    the platform does not tell.
    """

    kind: AcceleratorKind
    name: str
    memory_total_bytes: int
    memory_free_bytes: int | None = None
    unified: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one machine has at one moment, after the limits of its container.

    `features` are instruction sets under the names of Linux's cpuinfo. `unknowns` has one
    line for each fact that could not be found out.
    """

    platform: str
    cpu_name: str
    physical_cores: int
    usable_cores: int
    features: frozenset[str]
    memory_total_bytes: int
    memory_available_bytes: int
    accelerators: tuple[Accelerator, ...] = ()
    unknowns: tuple[str, ...] = ()


def summary(snapshot: Snapshot) -> list[str]:
    """The snapshot as a few short lines for a first screen."""
    cores = f"{snapshot.usable_cores} of {snapshot.physical_cores} cores"
    if snapshot.usable_cores >= snapshot.physical_cores:
        cores = f"{snapshot.physical_cores} cores"
    memory = (
        f"{_gib(snapshot.memory_total_bytes)} memory, {_gib(snapshot.memory_available_bytes)} free"
    )
    lines = [f"{snapshot.cpu_name} ({cores}), {memory}"]
    lines += [_accelerator_line(accelerator) for accelerator in snapshot.accelerators]
    if not snapshot.accelerators:
        lines.append("no accelerator")
    return lines + [f"unknown: {unknown}" for unknown in snapshot.unknowns]


def _accelerator_line(accelerator: Accelerator) -> str:
    if accelerator.unified:
        return f"{accelerator.name} ({accelerator.kind}), shares the machine's memory"
    line = f"{accelerator.name} ({accelerator.kind}), {_gib(accelerator.memory_total_bytes)}"
    if accelerator.memory_free_bytes is None:
        return line
    return f"{line}, {_gib(accelerator.memory_free_bytes)} free"


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
