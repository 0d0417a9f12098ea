"""The memory that models may take on a machine, and what those that are loaded take. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from hardware.snapshot import Accelerator, Snapshot

HOST_SHARE = 0.7
"""Models may take this share of the machine's own free memory: the rest is for what else it runs.
"""

LEFT = "the rest is left to what else runs here; beyond that it would swap"
"""Why models may take no more of the machine's memory where nothing else bounds it."""

DEVICE_RESERVE_BYTES = 512 << 20
"""What a backend takes on an accelerator beside weights, cache and scratch: a cautious guess."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Memory that loaded models take: of the machine's own, and of each device, in bytes."""

    host_bytes: int = 0
    device_bytes: tuple[int, ...] = ()

    def __add__(self, more: "Taken") -> "Taken":
        devices = zip_longest(self.device_bytes, more.device_bytes, fillvalue=0)
        return Taken(self.host_bytes + more.host_bytes, tuple(map(sum, devices)))


@dataclass(frozen=True, slots=True)
class MemoryRoom:
    """Memory that a model may take: the machine's own, and that of each device, in bytes.

    `accelerators` are the devices that may have layers, with memory of their own or without.
    `free` is what is free of each device, also beyond the owner's limit.
    `available_bytes` are free of the machine's own; the model may have a part of them only,
    for the reason `why`.
    """

    host_bytes: int
    available_bytes: int
    devices: tuple[int, ...] = ()
    free: tuple[int, ...] = ()
    accelerators: tuple[Accelerator, ...] = ()
    unified: bool = False
    why: str = LEFT


def together(taken: Iterable[Taken]) -> Taken:
    """What they take in all."""
    return sum(taken, Taken())


def room_for(
    snapshot: Snapshot,
    engine_kind: str,
    *,
    taken: Taken = Taken(),
    limit_bytes: int | None = None,
) -> MemoryRoom:
    """The memory for one more model on an engine of this kind (cpu, cuda, ...).

    `taken` is what others have since the snapshot. All models together take at most `limit_bytes`
    of the machine's own memory, and of each device.
    """
    kind = "metal" if engine_kind == "mlx" else engine_kind
    usable = [device for device in snapshot.accelerators if device.runs_on(kind)]
    own = [device for device in usable if not device.unified]
    own = own or [device for device in usable if device.set_aside]
    available = snapshot.memory_available_bytes
    host_bytes, why = _host_bytes(available, () if own else usable)
    free = [_free_bytes(device) for device in own]
    if limit_bytes is not None and limit_bytes < max(host_bytes, *free, 0):
        why = "--memory-limit-gib lets all models together have no more"
    pairs = list(zip_longest(free, taken.device_bytes[: len(own)], fillvalue=0))
    return MemoryRoom(
        host_bytes=max(0, _within(host_bytes, limit_bytes) - taken.host_bytes),
        available_bytes=max(0, available - taken.host_bytes),
        devices=tuple(max(0, _within(each, limit_bytes) - others) for each, others in pairs),
        free=tuple(max(0, each - others) for each, others in pairs),
        accelerators=tuple(own or usable),
        unified=bool(usable) and not own,
        why=why,
    )


def _within(memory_bytes: int, limit_bytes: int | None) -> int:
    return memory_bytes if limit_bytes is None else min(memory_bytes, limit_bytes)


def _host_bytes(available_bytes: int, sharing: Iterable[Accelerator]) -> tuple[int, str]:
    """What models may take of the machine's own memory, and why not more."""
    told = ((_shared_bytes(each), f"the system lets {each.name} have no more") for each in sharing)
    return min([(int(available_bytes * HOST_SHARE), LEFT), *told])


def _shared_bytes(device: Accelerator) -> int:
    """What a device may have at the most of the memory that it shares."""
    limit = device.memory_limit_bytes
    return device.memory_total_bytes if limit is None else limit


def _free_bytes(device: Accelerator) -> int:
    free = device.memory_free_bytes
    known = int(device.memory_total_bytes * 0.9) if free is None else free
    return max(0, known - DEVICE_RESERVE_BYTES)
