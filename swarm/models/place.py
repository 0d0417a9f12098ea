"""The memory that models may take on a machine, and what those that are loaded take. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest

from hardware.snapshot import Accelerator, Snapshot

HOST_SHARE = 0.7
"""Of the free memory of the machine itself: the rest is for what else it runs."""

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
class Place:
    """Memory that a model may take: the machine's own, and that of each device, in bytes.

    `available_bytes` are free of the machine's own; the model may have a part of them only.
    """

    host_bytes: int
    available_bytes: int
    devices: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    unified: bool = False


def together(taken: Iterable[Taken]) -> Taken:
    """What they take in all."""
    return sum(taken, Taken())


def place_for(
    snapshot: Snapshot,
    engine_kind: str,
    *,
    taken: Taken = Taken(),
    limit_bytes: int | None = None,
) -> Place:
    """The memory for one more model on an engine of this kind (cpu, cuda, ...).

    `taken` is what others have since the snapshot. All models together take at most `limit_bytes`
    of the machine's own memory, and of each device.
    """
    kind = "metal" if engine_kind == "mlx" else engine_kind
    usable = [device for device in snapshot.accelerators if device.runs_on(kind)]
    own = [device for device in usable if not device.unified]
    available = snapshot.memory_available_bytes
    left = [
        max(0, _within(_free_bytes(device), limit_bytes) - gone)
        for device, gone in zip_longest(own, taken.device_bytes[: len(own)], fillvalue=0)
        if isinstance(device, Accelerator)
    ]
    return Place(
        host_bytes=max(0, _within(int(available * HOST_SHARE), limit_bytes) - taken.host_bytes),
        available_bytes=max(0, available - taken.host_bytes),
        devices=tuple(left),
        kinds=tuple(device.kind for device in own or usable),
        unified=bool(usable) and not own,
    )


def _within(memory_bytes: int, limit_bytes: int | None) -> int:
    return memory_bytes if limit_bytes is None else min(memory_bytes, limit_bytes)


def _free_bytes(device: Accelerator) -> int:
    free = device.memory_free_bytes
    known = int(device.memory_total_bytes * 0.9) if free is None else free
    return max(0, known - DEVICE_RESERVE_BYTES)
