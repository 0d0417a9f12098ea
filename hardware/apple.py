"""Apple machines as `sysctl` and `ioreg` describe them; every function here is pure."""

import re
from collections.abc import Mapping

from hardware.cpu import Cpu
from hardware.snapshot import GIB, Accelerator

# All of it: a name that this system does not have would make sysctl fail.
COMMAND = ("sysctl", "-a")
GPU_COMMAND = ("ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")

_FEATURES = {
    "hw.optional.neon": "asimd",
    "hw.optional.arm.FEAT_DotProd": "asimddp",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_FP16": "asimdhp",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.arm.FEAT_SME": "sme",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx1_0": "avx",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.sse4_2": "sse4_2",
    "hw.optional.f16c": "f16c",
    "hw.optional.fma": "fma",
    "hw.optional.bmi2": "bmi2",
}
# The older list of an Intel machine's features, under Intel's own names.
_INTEL_FEATURES = {
    "AVX2": "avx2",
    "AVX1.0": "avx",
    "AVX512F": "avx512f",
    "SSE4.2": "sse4_2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
}
_LIMITS_MB = ("iogpu.wired_limit_mb", "debug.iogpu.wired_limit")
"""The owner's own limit on what Metal may wire, by its names since and before macOS 14."""


def parse_sysctl(text: str) -> dict[str, str]:
    """COMMAND's output as name -> value."""
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name: value.strip() for name, separator, value in pairs if separator}


def parse_gpu_cores(text: str) -> int | None:
    """The number of GPU cores in GPU_COMMAND's output."""
    match = re.search(r'"gpu-core-count" = (\d+)', text)
    return int(match[1]) if match else None


def cpu(values: Mapping[str, str]) -> Cpu:
    """The processor that the values describe."""
    features = {name for key, name in _FEATURES.items() if values.get(key) == "1"}
    listed = " ".join(
        values.get(f"machdep.cpu.{key}", "") for key in ("features", "leaf7_features")
    )
    features |= {name for key, name in _INTEL_FEATURES.items() if key in listed.split()}
    return Cpu(values.get("machdep.cpu.brand_string"), frozenset(features))


def performance_cores(values: Mapping[str, str]) -> int | None:
    """The fast cores of a machine that has slower ones too."""
    fast, others = (values.get(f"hw.perflevel{level}.physicalcpu", "") for level in (0, 1))
    return int(fast) if fast.isdecimal() and others.isdecimal() and int(others) else None


def accelerator(values: Mapping[str, str], gpu_cores: int | None = None) -> Accelerator | None:
    """The built-in GPU of an Apple Silicon machine, which shares its memory."""
    memory = values.get("hw.memsize", "")
    if values.get("hw.optional.arm64") != "1" or not memory.isdecimal():
        return None
    return Accelerator(
        "metal",
        values.get("machdep.cpu.brand_string", "Apple GPU"),
        memory_total_bytes=int(memory),
        unified=True,
        memory_limit_bytes=_limit_bytes(values, int(memory)),
        cores=gpu_cores,
    )


def _limit_bytes(values: Mapping[str, str], memory_bytes: int) -> int:
    """What Metal may use: the owner's limit, or what Metal recommends by itself.

    Seen as recommendedMaxWorkingSetSize: two thirds up to 32 GiB (21,845 MiB of 32 GiB), three
    quarters above (49,152 MiB of 64 GiB), and up to 84 % of 128 GiB on recent systems.
    """
    owners = [int(text) for name in _LIMITS_MB if (text := values.get(name, "")).isdecimal()]
    if any(owners):
        return max(owners) << 20
    return memory_bytes * 2 // 3 if memory_bytes <= 32 * GIB else memory_bytes * 3 // 4
