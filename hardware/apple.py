"""Apple machines as `sysctl` describes them; every function here is pure."""

from collections.abc import Mapping

from hardware.cpu import Cpu
from hardware.snapshot import Accelerator

COMMAND = ("sysctl", "hw", "machdep.cpu")

_FEATURES = {
    "hw.optional.neon": "asimd",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx1_0": "avx",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.sse4_2": "sse4_2",
    "hw.optional.f16c": "f16c",
    "hw.optional.fma": "fma",
    "hw.optional.bmi2": "bmi2",
}


def parse_sysctl(text: str) -> dict[str, str]:
    """COMMAND's output as name -> value."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name: value.strip() for name, separator, value in pairs if separator}


def cpu(values: Mapping[str, str]) -> Cpu:
    """The processor that the values describe."""
    features = {name for key, name in _FEATURES.items() if values.get(key) == "1"}
    return Cpu(values.get("machdep.cpu.brand_string"), frozenset(features))


def accelerator(values: Mapping[str, str]) -> Accelerator | None:
    """The built-in GPU of an Apple Silicon machine, which shares its memory."""
    memory = values.get("hw.memsize", "")
    if values.get("hw.optional.arm64") != "1" or not memory.isdecimal():
        return None
    name = values.get("machdep.cpu.brand_string", "Apple GPU")
    return Accelerator("metal", name, memory_total_bytes=int(memory), unified=True)
