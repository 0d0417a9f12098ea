"""Frozen facts about one machine, in bytes and cores; knows nothing of how they are found."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

AcceleratorKind: TypeAlias = Literal["cuda", "metal", "hip", "vulkan"]

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One device that can hold layers of a model.

    `kind` is the engine that serves it best. `unified` says that its memory is the machine's own;
    `memory_limit_bytes` is then how much of it the platform lets a device use, where it says so.
    `set_aside` says that the firmware keeps it for the device: the machine's own figures leave it
    out. `memory_free_bytes` is None where the platform does not tell. `architecture` is the
    vendor's word for what to compile for (8.6, gfx1100), `cores` the vendor's count of its own
    units, `uuid` its name in CUDA_VISIBLE_DEVICES.
    """

    kind: AcceleratorKind
    name: str
    memory_total_bytes: int
    memory_free_bytes: int | None = None
    unified: bool = False
    memory_limit_bytes: int | None = None
    set_aside: bool = False
    architecture: str | None = None
    cores: int | None = None
    driver: str | None = None
    uuid: str | None = None

    def runs_on(self, engine_kind: str) -> bool:
        """Whether an engine that was built for `engine_kind` can use this device."""
        return engine_kind == self.kind or (engine_kind == "vulkan" and self.kind != "metal")


@dataclass(frozen=True, slots=True)
class Storage:
    """A folder where large files may be kept, and the bytes that are free there."""

    path: str
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one machine has at one moment, after the limits of its container.

    `features` are instruction sets under the names of Linux's cpuinfo. `performance_cores` counts
    the fast ones where cores differ (None: all alike, or not told). `surroundings` are what the
    system runs in: wsl, container, termux. `others` are devices that no engine of ours can use,
    each with the reason; `unknowns` has one line for each fact that could not be found out.
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
    performance_cores: int | None = None
    numa_nodes: int = 1
    on_battery: bool | None = None
    surroundings: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    storage: tuple[Storage, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """What one vendor's probe adds to a snapshot."""

    accelerators: tuple[Accelerator, ...] = ()
    others: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()

    def __add__(self, more: "Found") -> "Found":
        return Found(
            self.accelerators + more.accelerators,
            self.others + more.others,
            self.unknowns + more.unknowns,
        )


def summary(snapshot: Snapshot) -> list[str]:
    """The snapshot as a few short lines for a first screen."""
    cores = f"{snapshot.usable_cores} of {snapshot.physical_cores} cores"
    if snapshot.usable_cores >= snapshot.physical_cores:
        cores = f"{snapshot.physical_cores} cores"
    memory = (
        f"{gib(snapshot.memory_total_bytes)} memory, {gib(snapshot.memory_available_bytes)} free"
    )
    lines = [f"{snapshot.cpu_name} ({cores}), {memory}"]
    lines += [accelerator_line(accelerator) for accelerator in snapshot.accelerators]
    if not snapshot.accelerators:
        lines.append("no accelerator")
    lines += [f"not used: {other}" for other in snapshot.others]
    return lines + [f"unknown: {unknown}" for unknown in snapshot.unknowns]


def accelerator_line(accelerator: Accelerator) -> str:
    """Name, kind and memory of one device."""
    own = gib(accelerator.memory_total_bytes)
    if accelerator.set_aside:
        own = f"{own} of the machine's memory set aside"
    elif accelerator.unified:
        line = f"{accelerator.name} ({accelerator.kind}), shares the machine's memory"
        if accelerator.memory_limit_bytes is None:
            return line
        return f"{line}, up to {gib(accelerator.memory_limit_bytes)}"
    line = f"{accelerator.name} ({accelerator.kind}), {own}"
    if accelerator.memory_free_bytes is None:
        return line
    return f"{line}, {gib(accelerator.memory_free_bytes)} free"


def gib(count: float) -> str:
    """Bytes for a person."""
    return f"{count / GIB:.1f} GiB"
