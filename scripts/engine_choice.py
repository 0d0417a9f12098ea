"""Decides which engine is built for a machine: facts in, a choice with its reason out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

EngineKind: TypeAlias = Literal["cpu", "cuda", "metal", "hip", "vulkan"]
ENGINES: tuple[EngineKind, ...] = get_args(EngineKind)

# cmake option -> the cpuinfo flags without which it must stay off. AMX is never named: its
# kernels crash in the first decode on some machines that have it.
_X86_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "GGML_SSE42": ("sse4_2",),
    "GGML_AVX": ("avx",),
    "GGML_AVX2": ("avx2",),
    "GGML_FMA": ("fma",),
    "GGML_F16C": ("f16c",),
    "GGML_BMI2": ("bmi2",),
    "GGML_AVX512": ("avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"),
    "GGML_AVX512_VBMI": ("avx512vbmi",),
    "GGML_AVX512_VNNI": ("avx512_vnni",),
    "GGML_AVX512_BF16": ("avx512_bf16",),
}

# In the order in which they are tried by themselves.
_GPU_FLAGS: Mapping[EngineKind, Mapping[str, str]] = {
    "metal": {"GGML_METAL": "ON", "GGML_METAL_EMBED_LIBRARY": "ON"},
    "cuda": {"GGML_CUDA": "ON", "GGML_CUDA_NCCL": "OFF"},
    "hip": {"GGML_HIP": "ON"},
    "vulkan": {"GGML_VULKAN": "ON"},
}
_TOOLKIT_NAMES: Mapping[EngineKind, str] = {
    "metal": "the command line tools of Xcode",
    "cuda": "the CUDA toolkit (nvcc)",
    "hip": "the ROCm toolkit (hipcc)",
    "vulkan": "the Vulkan SDK (glslc and headers)",
}


class ImpossibleEngine(Exception):
    """The engine that was asked for cannot be built here; the message says what is missing."""


@dataclass(frozen=True)
class Facts:
    """What a choice rests on.

    `devices` are the kinds of GPU that are here with a working driver, `toolkits` the kinds
    whose compiler is installed, each with the path of it.
    """

    system: str
    machine: str
    features: frozenset[str]
    devices: Mapping[EngineKind, str]
    toolkits: Mapping[EngineKind, str]


@dataclass(frozen=True)
class EngineChoice:
    """What is built, why, with which cmake options, and what the run machine's CPU must have."""

    kind: EngineKind
    reason: str
    options: Mapping[str, str]
    required_features: tuple[str, ...]


def choose(facts: Facts, wanted: str = "auto") -> EngineChoice:
    """The engine for these facts, or the one that is `wanted`; raises ImpossibleEngine."""
    if wanted == "auto":
        kind, reason = _best(facts)
    elif wanted in ENGINES:
        kind, reason = wanted, "asked for"
        _require_toolkit(facts, kind)
    else:
        raise ImpossibleEngine(f"no engine {wanted!r}: there is auto, {', '.join(ENGINES)}")
    cpu_options, required = _cpu(facts)
    return EngineChoice(kind, reason, cpu_options | _gpu(facts, kind), required)


def _best(facts: Facts) -> tuple[EngineKind, str]:
    missing: list[str] = []
    for kind in _GPU_FLAGS:
        device = facts.devices.get(kind)
        if device and kind in facts.toolkits:
            return kind, f"there is {device}, and {_TOOLKIT_NAMES[kind]}"
        if device:
            missing.append(f"there is {device}, but not {_TOOLKIT_NAMES[kind]}")
        elif kind in facts.toolkits and kind != "metal":
            missing.append(f"{_TOOLKIT_NAMES[kind]} is here, but no device with a driver")
    return "cpu", "; ".join(missing) or "no GPU was found"


def _require_toolkit(facts: Facts, kind: EngineKind) -> None:
    if kind != "cpu" and kind not in facts.toolkits:
        raise ImpossibleEngine(f"{kind} needs {_TOOLKIT_NAMES[kind]}, which was not found")


def _cpu(facts: Facts) -> tuple[dict[str, str], tuple[str, ...]]:
    options = {"GGML_OPENMP": "ON"}
    if facts.machine.lower() not in ("x86_64", "amd64", "i686"):
        # ARM's native flags are asked of the compiler and have no AMX among them.
        return options | {"GGML_NATIVE": "ON"}, ()
    options["GGML_NATIVE"] = "OFF"
    required: list[str] = []
    for option, flags in _X86_OPTIONS.items():
        present = facts.features.issuperset(flags)
        options[option] = _on(present)
        required += flags if present else ()
    return options, tuple(required)


def _gpu(facts: Facts, kind: EngineKind) -> dict[str, str]:
    options = {"GGML_METAL": "OFF"} if facts.system == "Darwin" else {}
    options |= _GPU_FLAGS.get(kind, {})
    if kind == "cuda":
        options["CMAKE_CUDA_COMPILER"] = facts.toolkits["cuda"]
        # Without a device there is nothing to be native to: llama.cpp's own list then.
        if "cuda" in facts.devices:
            options["CMAKE_CUDA_ARCHITECTURES"] = "native"
    return options


def _on(value: bool) -> str:
    return "ON" if value else "OFF"
