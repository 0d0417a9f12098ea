"""How much memory models may take here, and how many layers an accelerator holds. Pure."""

from dataclasses import dataclass

from hardware.snapshot import Snapshot

HOST_SHARE = 0.7
"""Of the free memory of the machine itself: the rest is for what else it runs."""

DEVICE_RESERVE_BYTES = 512 << 20
"""What a backend takes on an accelerator beside weights and cache: a cautious guess."""

CACHE_BYTES = 256 << 20, 8 << 30
"""Least and most that a key-value cache gets where the owner names no context."""


@dataclass(frozen=True, slots=True)
class Room:
    """Free memory in bytes; `device_bytes` is None where no accelerator with its own is used."""

    host_bytes: int
    device_bytes: int | None = None

    @property
    def weights_bytes(self) -> int:
        """What a model may take: the accelerator's memory, where there is one."""
        if self.device_bytes is not None:
            return max(0, self.device_bytes - DEVICE_RESERVE_BYTES)
        return int(self.host_bytes * HOST_SHARE)

    def cache_bytes(self, model_bytes: int, *, models: int = 1) -> int:
        """What the cache of one of so many models may take, after its weights."""
        fits_device = self.device_bytes is not None and model_bytes < self.device_bytes
        free = self.device_bytes if fits_device and self.device_bytes else self.host_bytes
        least, most = CACHE_BYTES
        return min(most, max(least, (free - model_bytes) // (2 * models)))


def room_for_models(snapshot: Snapshot, engine_kind: str) -> Room:
    """The memory that an engine of this kind (cpu, cuda, ...) can put a model into."""
    usable = [a for a in snapshot.accelerators if a.runs_on(engine_kind) and not a.unified]
    own = [a.memory_free_bytes for a in usable if a.memory_free_bytes is not None]
    return Room(snapshot.memory_available_bytes, max(own, default=None))


def fitting_layers(
    layers: int, *, model_bytes: int, cache_bytes: int, device_bytes: int
) -> int | None:
    """How many of the layers an accelerator holds with their share of the cache; None: all.

    The output layer counts as one more; layers are taken to be of one size.
    """
    each = (model_bytes + cache_bytes) / (layers + 1)
    count = int(max(0, device_bytes - DEVICE_RESERVE_BYTES) / each)
    return None if count > layers else count
