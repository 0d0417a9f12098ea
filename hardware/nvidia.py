"""NVIDIA accelerators as `nvidia-smi` lists them."""

from hardware.snapshot import Accelerator

COMMAND = (
    "nvidia-smi",
    "--query-gpu=name,memory.total,memory.free",
    "--format=csv,noheader,nounits",
)
_MIB = 1024**2


def parse_devices(text: str) -> tuple[Accelerator, ...]:
    """The accelerators in COMMAND's output; a line that cannot be read is left out."""
    found = (_parse_device(line) for line in text.splitlines())
    return tuple(accelerator for accelerator in found if accelerator)


def _parse_device(line: str) -> Accelerator | None:
    fields = [field.strip() for field in line.rsplit(",", 2)]
    if len(fields) != 3 or not fields[1].isdecimal():
        return None
    name, total, free = fields
    return Accelerator(
        kind="cuda",
        name=name,
        memory_total_bytes=int(total) * _MIB,
        memory_free_bytes=int(free) * _MIB if free.isdecimal() else None,
    )


def visible(devices: tuple[Accelerator, ...], setting: str | None) -> tuple[Accelerator, ...]:
    """Those devices that CUDA_VISIBLE_DEVICES leaves; a list by UUID leaves all of them."""
    if setting is None:
        return devices
    entries = [entry.strip() for entry in setting.split(",")]
    if not all(entry in ("", "-1") or entry.isdecimal() for entry in entries):
        return devices
    indexes = [int(entry) for entry in entries if entry.isdecimal()]
    return tuple(devices[index] for index in indexes if index < len(devices))
