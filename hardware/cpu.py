"""Reads what Linux and Windows say of processors; every function here is pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_FLAG_KEYS = ("flags", "Features")  # x86, ARM

# IsProcessorFeaturePresent numbers. Every processor with AVX2 that Windows runs on has the
# three others; what Windows does not tell (most of AVX-512) is left out.
_WINDOWS_FEATURES: Mapping[int, tuple[str, ...]] = {
    38: ("sse4_2",),
    39: ("avx",),
    40: ("avx2", "fma", "f16c", "bmi2"),
}
WINDOWS_FEATURE_NUMBERS = tuple(_WINDOWS_FEATURES)


@dataclass(frozen=True, slots=True)
class Cpu:
    """A processor's name (None: not told) and its instruction sets by cpuinfo names."""

    name: str | None
    features: frozenset[str]


def parse_cpuinfo(text: str) -> Cpu:
    """Read /proc/cpuinfo. Features are those that every processor listed has."""
    names: list[str] = []
    features: list[frozenset[str]] = []
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "model name" and value:
            names.append(value)
        elif key in _FLAG_KEYS:
            features.append(frozenset(value.split()))
    common = frozenset[str].intersection(*features) if features else frozenset[str]()
    return Cpu(re.sub(r"\s+", " ", names[0]) if names else None, common)


def windows_features(present: Iterable[int]) -> frozenset[str]:
    """Feature names for those WINDOWS_FEATURE_NUMBERS that the system says are present."""
    return frozenset(name for number in present for name in _WINDOWS_FEATURES.get(number, ()))
