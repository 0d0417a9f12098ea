"""NVIDIA accelerators by way of NVML, the library that `nvidia-smi` itself asks.

`read` takes the library as a module (pynvml); what it found is judged by pure functions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hardware.snapshot import Accelerator, Found


class NvmlFailed(Exception):
    """NVML is not there or cannot be asked; the message is its own."""


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU as NVML tells it. `memory` is total and free bytes, None if it has none of its own.

    `parts` are its MIG devices, None where MIG is off.
    """

    name: str
    uuid: str
    memory: tuple[int, int] | None
    capability: str | None
    parts: "tuple[Device, ...] | None" = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was asked. `lost` are the numbers of GPUs that no longer answer."""

    driver: str | None
    devices: tuple[Device, ...]
    lost: tuple[int, ...] = ()


def read(library: Any) -> Reading:
    """Ask NVML for every GPU; raises NvmlFailed where it cannot be asked at all."""
    try:
        library.nvmlInit()
    except library.NVMLError as error:
        raise NvmlFailed(f"NVML: {error}") from error
    try:
        return _read_all(library)
    finally:
        library.nvmlShutdown()


def accelerators(reading: Reading, environ: Mapping[str, str], host_memory_bytes: int) -> Found:
    """What a CUDA program sees of the reading: CUDA_VISIBLE_DEVICES, and one MIG part at most."""
    chosen, unknowns = _visible(reading.devices, environ)
    unknowns += [f"GPU {number}: it no longer answers its driver" for number in reading.lost]
    whole = [device for device in chosen if device.parts is None]
    parts = [part for device in chosen for part in device.parts or ()]
    # A process is given a single MIG device, however many there are (NVIDIA's MIG user guide).
    used, left = (whole, parts) if whole else (parts[:1], parts[1:])
    others = [
        f"{part.name} (a process uses one part: CUDA_VISIBLE_DEVICES={part.uuid})" for part in left
    ]
    others += [
        f"{device.name} (MIG is on, and has no part)" for device in chosen if device.parts == ()
    ]
    return Found(
        tuple(_accelerator(device, reading.driver, host_memory_bytes) for device in used),
        tuple(others),
        tuple(unknowns),
    )


def _read_all(library: Any) -> Reading:
    devices: list[Device] = []
    lost: list[int] = []
    for number in range(_asked(library, "nvmlDeviceGetCount") or 0):
        handle = _asked(library, "nvmlDeviceGetHandleByIndex", number)
        if handle is None or (device := _device(library, handle)) is None:
            lost.append(number)
        else:
            devices.append(device)
    driver = _asked(library, "nvmlSystemGetDriverVersion")
    return Reading(driver, tuple(devices), tuple(lost))


def _device(library: Any, handle: Any) -> Device | None:
    name = _asked(library, "nvmlDeviceGetName", handle)
    if name is None:
        return None
    memory = _asked(library, "nvmlDeviceGetMemoryInfo", handle)
    capability = _asked(library, "nvmlDeviceGetCudaComputeCapability", handle)
    return Device(
        name=name,
        uuid=_asked(library, "nvmlDeviceGetUUID", handle) or "",
        memory=(memory.total, memory.free) if memory is not None and memory.total else None,
        capability=".".join(map(str, capability)) if capability else None,
        parts=_parts(library, handle),
    )


def _parts(library: Any, handle: Any) -> tuple[Device, ...] | None:
    mode = _asked(library, "nvmlDeviceGetMigMode", handle)
    if not mode or mode[0] != library.NVML_DEVICE_MIG_ENABLE:
        return None
    return tuple(_mig_devices(library, handle))


def _mig_devices(library: Any, handle: Any) -> Iterator[Device]:
    for number in range(_asked(library, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        part = _asked(library, "nvmlDeviceGetMigDeviceHandleByIndex", handle, number)
        device = None if part is None else _device(library, part)
        if device is not None:
            yield replace(device, parts=None)


def _asked(library: Any, function: str, *arguments: Any) -> Any:
    """What NVML answers, None where this device or driver does not."""
    try:
        return getattr(library, function)(*arguments)
    except library.NVMLError:
        return None


def _accelerator(device: Device, driver: str | None, host_memory_bytes: int) -> Accelerator:
    """A GPU without memory of its own (GB10, Jetson) shares the machine's."""
    total, free = device.memory or (host_memory_bytes, None)
    return Accelerator(
        kind="cuda",
        name=device.name,
        memory_total_bytes=total,
        memory_free_bytes=free,
        unified=device.memory is None,
        architecture=device.capability,
        driver=driver,
        uuid=device.uuid or None,
    )


def _visible(
    devices: tuple[Device, ...], environ: Mapping[str, str]
) -> tuple[list[Device], list[str]]:
    """The devices that CUDA_VISIBLE_DEVICES leaves in its order, and what it leaves unclear."""
    setting = environ.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return list(devices), []
    chosen: list[Device] = []
    entries = [entry.strip() for entry in setting.split(",")]
    for entry in entries:
        device = _named(devices, entry)
        if device is None:  # CUDA stops at the first that it does not know
            break
        chosen.append(device)
    kinds = {device.name for device in devices}
    by_number = any(entry.isdecimal() for entry in entries[: len(chosen)])
    if len(kinds) > 1 and by_number and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        unclear = f"which GPU CUDA_VISIBLE_DEVICES={setting} means"
        return chosen, [f"{unclear}: CUDA sorts by speed unless CUDA_DEVICE_ORDER=PCI_BUS_ID"]
    return chosen, []


def _named(devices: tuple[Device, ...], entry: str) -> Device | None:
    """A device by its number, or by the beginning of its UUID or of that of one MIG part."""
    if entry.isdecimal():
        return devices[int(entry)] if int(entry) < len(devices) else None
    if not entry.startswith(("GPU-", "MIG-")):
        return None
    for device in devices:
        if device.uuid.startswith(entry):
            return device
        for part in device.parts or ():
            if part.uuid.startswith(entry):
                return part
    return None
