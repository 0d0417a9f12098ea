"""What speed to expect of a model: each token reads its weights from where they lie. Pure."""

from collections.abc import Sequence

BANDWIDTHS = {
    "cuda": (200e9, 1000e9),
    "metal": (60e9, 550e9),
    "hip": (200e9, 950e9),
    "vulkan": (60e9, 600e9),
}
"""Bytes a second that such devices read, slow ones and fast ones: a token reads all its weights."""

CORE_BANDWIDTH = 4e9, 16e9
"""The same of one processor core; all of them share what follows."""

MOST_HOST_BANDWIDTH = 20e9, 100e9

COMFORT_TOKENS_PER_S = 10
"""A finer quantisation is taken as long as this much is expected at the least."""


def expected_tokens_per_s(
    read_bytes: float, kinds: Sequence[str], share: float, cores: int
) -> tuple[float, float]:
    """Tokens a second of one stream, slowest and fastest, from what a token must read.

    `share` of it lies on devices of these kinds.
    """
    devices = [BANDWIDTHS.get(kind, (60e9, 600e9)) for kind in kinds]
    found: list[float] = []
    for end in (0, 1):
        host = min(CORE_BANDWIDTH[end] * cores, MOST_HOST_BANDWIDTH[end])
        seconds = read_bytes * (1 - share) / host
        if share and devices:
            seconds += read_bytes * share / max(device[end] for device in devices)
        found.append(1 / max(seconds, 1e-3))
    return found[0], found[1]
