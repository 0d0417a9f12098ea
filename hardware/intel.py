"""Intel's graphics, discrete and integrated, from what `lspci` lists."""

import re
from collections.abc import Iterable

from hardware.pci import Graphics
from hardware.snapshot import GIB, Accelerator, Found

# GiB of each board, by Intel's product specifications: a BAR is rounded up to a power of two. The
# A770 exists with 8 and with 16.
_BOARD_GIB = {
    "A310": 4,
    "A380": 6,
    "A580": 8,
    "A750": 8,
    "A770": 16,
    "B570": 10,
    "B580": 12,
    "B50": 16,
    "B60": 24,
}
_TWO_SIZES = frozenset({"A770"})
_SMALL_WINDOW_BYTES = 256 << 20


def accelerators(
    graphics: Iterable[Graphics], host_memory_bytes: int, *, render_nodes: bool
) -> Found:
    """Intel's devices among these. `render_nodes`: the system lets programs use graphics at all."""
    found = Found()
    for device in graphics:
        if device.vendor == "Intel":
            found += _found(device, host_memory_bytes, render_nodes=render_nodes)
    return found


def _found(device: Graphics, host_memory_bytes: int, *, render_nodes: bool) -> Found:
    if device.driver is None or not render_nodes:
        why = "has no driver" if device.driver is None else "is not passed in: no /dev/dri"
        return Found(others=(f"{device.name} ({why})",))
    model = re.search(r"\b(?:Arc|Arc Pro) ([AB]\d+M?)\b", device.name)
    if model is None:
        return Found((_accelerator(device, host_memory_bytes, unified=True),))
    own = _own_bytes(model[1], device.window_bytes)
    if own is None:
        return Found(
            unknowns=(f"the memory of {device.name} (turn on Resizable BAR in the firmware)",)
        )
    return Found((_accelerator(device, own, unified=False),))


def _accelerator(device: Graphics, memory_bytes: int, *, unified: bool) -> Accelerator:
    return Accelerator("vulkan", device.name, memory_bytes, unified=unified, driver=device.driver)


def _own_bytes(model: str, window_bytes: int) -> int | None:
    """The memory of a discrete board; None where neither its kind nor its window tells."""
    board = _BOARD_GIB.get(model)
    if window_bytes <= _SMALL_WINDOW_BYTES:
        return None if board is None or model in _TWO_SIZES else board * GIB
    return window_bytes if board is None else min(window_bytes, board * GIB)
