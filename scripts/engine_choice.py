"""Decides which engine is built for a machine: facts in, a choice with its reason out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from hardware.snapshot import Accelerator, AcceleratorKind, Snapshot
from hardware.toolkits import TOOLKITS

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

_GPU_FLAGS: Mapping[AcceleratorKind, Mapping[str, str]] = {
    "metal": {"GGML_METAL": "ON", "GGML_METAL_EMBED_LIBRARY": "ON"},
    "cuda": {"GGML_CUDA": "ON", "GGML_CUDA_NCCL": "OFF"},
    "hip": {"GGML_HIP": "ON"},
    "vulkan": {"GGML_VULKAN": "ON"},
}
PHONE_DRIVER = "kgsl"
"""Android's driver of Adreno, over which Vulkan is usually slower than the processor."""

ANDROID_TOOLS = ("cmake", "ninja", "clang")


class ImpossibleEngine(Exception):
    """The engine that was asked for cannot be built here; the message says what is missing."""


@dataclass(frozen=True)
class Facts:
    """What a choice rests on.

    `devices` are the kinds of engine that could use a device of this machine, each with the
    name of the best, `toolkits` the kinds whose compiler is installed, each with the path of it,
    `left_out` devices that only an owner's word brings in, each with the reason.
    """

    system: str
    machine: str
    features: frozenset[str]
    devices: Mapping[AcceleratorKind, str]
    toolkits: Mapping[AcceleratorKind, str]
    architectures: Mapping[AcceleratorKind, tuple[str, ...]] = field(
        default_factory=dict[AcceleratorKind, tuple[str, ...]]
    )
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineChoice:
    """What is built, why, with which cmake options, and what the run machine's CPU must have."""

    kind: EngineKind
    reason: str
    options: Mapping[str, str]
    required_features: tuple[str, ...]


def facts_of(
    snapshot: Snapshot, toolkits: Mapping[AcceleratorKind, str], *, vulkan_driver: bool
) -> Facts:
    """The facts of a snapshot. `vulkan_driver`: graphics are open to programs (/dev/dri)."""
    system, _, machine = snapshot.platform.partition(" ")
    phones = [each for each in snapshot.accelerators if each.driver == PHONE_DRIVER]
    others = [each for each in snapshot.accelerators if each.driver != PHONE_DRIVER]
    usable: dict[AcceleratorKind, list[Accelerator]] = {
        kind: [each for each in others if each.runs_on(kind)] for kind in _GPU_FLAGS
    }
    if not vulkan_driver:
        usable["vulkan"] = [each for each in usable["vulkan"] if each.kind == "vulkan"]
    best: dict[AcceleratorKind, str] = {
        kind: _best(devices).name for kind, devices in usable.items() if devices
    }
    architectures: dict[AcceleratorKind, tuple[str, ...]] = {
        kind: tuple(sorted({each.architecture for each in devices if each.architecture}))
        for kind, devices in usable.items()
    }
    slow = "Vulkan on a phone is usually slower than its processor"
    left_out = tuple(f"{each.name} is left out: {slow}" for each in phones)
    return Facts(
        system, machine, snapshot.features, best, toolkits, architectures, left_out=left_out
    )


def choose(facts: Facts, wanted: str = "auto") -> EngineChoice:
    """The engine for these facts, or the one that is `wanted`; raises ImpossibleEngine."""
    if wanted == "auto":
        kind, reason = _preferred(facts)
    elif wanted in ENGINES:
        kind, reason = wanted, "asked for"
        _require_toolkit(facts, kind)
    else:
        raise ImpossibleEngine(f"no engine {wanted!r}: there is auto, {', '.join(ENGINES)}")
    cpu_options, required = _cpu(facts)
    return EngineChoice(kind, reason, cpu_options | _gpu(facts, kind), required)


def cmake_command(system: str, python: str, found: Mapping[str, str]) -> list[str]:
    """How cmake is called: the wheel's; in Termux, for which there is none, its own.

    `found` are tools on the PATH. Raises ImpossibleEngine with the line that installs them.
    """
    if system != "Android":
        return [python, "-m", "cmake"]
    missing = [tool for tool in ANDROID_TOOLS if tool not in found]
    if missing:
        raise ImpossibleEngine(
            f"Termux has no {', '.join(missing)}: pkg install clang cmake ninja libandroid-spawn"
        )
    return [found["cmake"]]


def _best(devices: list[Accelerator]) -> Accelerator:
    """The largest that has memory of its own, otherwise the largest."""
    return max(devices, key=lambda each: (not each.unified, each.memory_total_bytes))


def _preferred(facts: Facts) -> tuple[EngineKind, str]:
    missing: list[str] = []
    for kind in _GPU_FLAGS:
        device, toolkit = facts.devices.get(kind), TOOLKITS[kind].name
        if device and kind in facts.toolkits:
            return kind, f"there is {device}, and {toolkit}"
        if device:
            missing.append(f"there is {device}, but not {toolkit}")
        elif kind in facts.toolkits and kind != "metal":
            missing.append(f"{toolkit} is here, but no device with a driver")
    return "cpu", "; ".join([*facts.left_out, *missing]) or "no GPU was found"


def _require_toolkit(facts: Facts, kind: EngineKind) -> None:
    if kind != "cpu" and kind not in facts.toolkits:
        raise ImpossibleEngine(f"{kind} needs {TOOLKITS[kind].name}, which was not found")


def _cpu(facts: Facts) -> tuple[dict[str, str], tuple[str, ...]]:
    options = {"GGML_OPENMP": "ON"}
    if facts.machine.lower() not in ("x86_64", "amd64", "i686"):
        # ARM's native flags are asked of the compiler and have no AMX among them. Which of those
        # that are here it uses is not told, so the build needs them all.
        return options | {"GGML_NATIVE": "ON"}, tuple(sorted(facts.features))
    options["GGML_NATIVE"] = "OFF"
    required: list[str] = []
    for option, flags in _X86_OPTIONS.items():
        present = facts.features.issuperset(flags)
        options[option] = _on(present)
        required += flags if present else ()
    return options, tuple(required)


def _gpu(facts: Facts, kind: EngineKind) -> dict[str, str]:
    options = {"GGML_METAL": "OFF"} if facts.system == "Darwin" else {}
    if kind == "cpu":
        return options
    options |= _GPU_FLAGS[kind]
    if kind == "cuda":
        options["CMAKE_CUDA_COMPILER"] = facts.toolkits["cuda"]
        # Without a device there is nothing to be native to: llama.cpp's own list then.
        if "cuda" in facts.devices:
            options["CMAKE_CUDA_ARCHITECTURES"] = "native"
    if kind == "hip" and facts.architectures.get("hip"):
        options["GPU_TARGETS"] = ";".join(facts.architectures["hip"])
    return options


def _on(value: bool) -> str:
    return "ON" if value else "OFF"
