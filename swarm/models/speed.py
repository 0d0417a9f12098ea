"""What speed to expect of a model: each token reads its weights from where they lie. Pure."""

from collections.abc import Mapping, Sequence

from hardware.snapshot import Accelerator, AcceleratorKind

BANDWIDTHS: Mapping[AcceleratorKind, tuple[float, float]] = {
    "cuda": (200e9, 1000e9),
    "metal": (60e9, 550e9),
    "hip": (200e9, 950e9),
    "vulkan": (60e9, 600e9),
}
"""Bytes a second that such devices read, slow ones and fast ones: a token reads all its weights."""

CORE_BANDWIDTH = 4e9, 16e9
"""Bytes a second that one processor core reads, slow and fast ones; all of them share what follows.
"""

MOST_HOST_BANDWIDTH = 20e9, 100e9

WIDE_BANDWIDTH = 120e9, 280e9
"""Bytes a second of what shares memory that is several times as wide as a PC's."""

_WIDE = frozenset({"gfx1151", "12.1"})
"""Architectures of devices whose memory is that wide: Strix Halo, GB10."""

COMFORT_TOKENS_PER_S = 10
"""A finer quantisation is taken as long as this much is expected at the least."""


def expected_tokens_per_s(
    read_bytes: float, devices: Sequence[Accelerator], share: float, cores: int
) -> tuple[float, float]:
    """Tokens a second of one stream, slowest and fastest, from what a token must read.

    `share` of it lies on these devices.
    """
    host = _host_bandwidth(cores)
    found: list[float] = []
    for end in (0, 1):
        seconds = read_bytes * (1 - share) / host[end]
        if share and devices:
            fastest = max(_bandwidth(device, host)[end] for device in devices)
            seconds += read_bytes * share / fastest
        found.append(1 / max(seconds, 1e-3))
    return found[0], found[1]


def _host_bandwidth(cores: int) -> tuple[float, float]:
    slow, fast = (min(CORE_BANDWIDTH[end] * cores, MOST_HOST_BANDWIDTH[end]) for end in (0, 1))
    return slow, fast


def _bandwidth(device: Accelerator, host: tuple[float, float]) -> tuple[float, float]:
    """An integrated device reads the machine's own memory, no faster than that is."""
    if device.unified and device.architecture in _WIDE:
        return WIDE_BANDWIDTH
    alone = not device.unified or device.kind == "metal"
    return BANDWIDTHS[device.kind] if alone else host
