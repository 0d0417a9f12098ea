"""Reads what Linux and Windows say of processors; every function here is pure."""

import re
from collections import Counter
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

# Implementer and part of the main ID register, as util-linux's lscpu-arm.c lists them.
_ARM_PARTS: Mapping[tuple[int, int], str] = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD04): "Cortex-A35",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD44): "Cortex-X1",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4B): "Cortex-A78C",
    (0x41, 0xD4C): "Cortex-X1C",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4E): "Cortex-X3",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD82): "Cortex-X4",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
    (0x51, 0x001): "Oryon",
    (0x51, 0x800): "Kryo 2xx Gold",
    (0x51, 0x801): "Kryo 2xx Silver",
    (0x51, 0x802): "Kryo 3xx Gold",
    (0x51, 0x803): "Kryo 3xx Silver",
    (0x51, 0x804): "Kryo 4xx Gold",
    (0x51, 0x805): "Kryo 4xx Silver",
}
_MOST_CORES = 8192  # what Linux can be configured for, on x86
# The small cores of machines that have two or three kinds.
_LITTLE = frozenset(
    {"Cortex-A53", "Cortex-A35", "Cortex-A55", "Cortex-A510", "Cortex-A520"}
    | {name for name in _ARM_PARTS.values() if name.endswith("Silver")}
)


@dataclass(frozen=True, slots=True)
class Cpu:
    """A processor's name (None: not told) and its instruction sets by cpuinfo names.

    `parts` are the kinds of ARM cores, one for each core that the text lists.
    """

    name: str | None
    features: frozenset[str]
    parts: tuple[str, ...] = ()


def parse_cpuinfo(text: str) -> Cpu:
    """Read /proc/cpuinfo. Features are those that every processor listed has."""
    names: list[str] = []
    features: list[frozenset[str]] = []
    parts: list[str] = []
    implementer = 0
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "model name" and value:
            names.append(value)
        elif key in _FLAG_KEYS:
            features.append(frozenset(value.split()))
        elif key == "CPU implementer":
            implementer = _hexadecimal(value)
        elif key == "CPU part" and (part := _hexadecimal(value)):
            parts.append(_ARM_PARTS.get((implementer, part), f"ARM part {value}"))
    common = frozenset[str].intersection(*features) if features else frozenset[str]()
    name = re.sub(r"\s+", " ", names[0]) if names else None
    # 32-bit ARM kernels call an architecture the model's name.
    if parts and (name is None or name.startswith("ARMv")):
        name = _joined(parts)
    return Cpu(name, common, tuple(parts))


def performance_parts(parts: Iterable[str]) -> int | None:
    """How many of these ARM cores are not small ones; None where all are alike."""
    counts = Counter(parts)
    fast = sum(count for part, count in counts.items() if part not in _LITTLE)
    return fast if 0 < fast < counts.total() else None


def parse_cpu_list(text: str) -> list[int]:
    """The kernel's lists of numbers, such as 0-3,8."""
    numbers: list[int] = []
    for entry in text.strip().split(","):
        first, _, last = entry.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            numbers += range(int(first), min(int(last or first), int(first) + _MOST_CORES) + 1)
    return numbers


def windows_features(present: Iterable[int]) -> frozenset[str]:
    """Feature names for those WINDOWS_FEATURE_NUMBERS that the system says are present."""
    return frozenset(name for number in present for name in _WINDOWS_FEATURES.get(number, ()))


def _joined(parts: Iterable[str]) -> str:
    """One kind by its name, several with their numbers, in the order in which they are listed."""
    counts = Counter(parts)
    if len(counts) == 1:
        return next(iter(counts))
    return " + ".join(f"{count} {part}" for part, count in counts.items())


def _hexadecimal(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        return 0
