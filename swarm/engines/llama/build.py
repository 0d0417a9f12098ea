"""What the installed llama.cpp was built for; looks at it without loading it.

A library that names instruction sets which this processor lacks dies at once and says nothing,
so the node asks before it starts an engine.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hardware.setting_up import setup_command
from hardware.snapshot import Accelerator, AcceleratorKind, Snapshot
from hardware.toolkits import TOOLKITS, find_toolkits, package_tool
from swarm.errors import ConfigurationError

STAMP = Path("lib") / "engine.json"
"""The file where `make setup` writes down what it built, inside the package llama_cpp."""


ASKED_FOR = "asked for"
"""The reason in the stamp where an owner chose the engine."""

_WHAT = {"cpu": "the processor alone", "cuda": "CUDA", "hip": "ROCm", "vulkan": "Vulkan"}


@dataclass(frozen=True, slots=True)
class Build:
    """`kind` is cpu, cuda, metal, hip or vulkan; `reason` says why that was chosen."""

    kind: str
    reason: str
    required_features: frozenset[str]


def installed_build() -> Build:
    """The build that this Python would load. Raises ConfigurationError where there is none."""
    package = find_spec("llama_cpp")
    if package is None or package.origin is None:
        raise ConfigurationError(f"the engine is not installed; `{setup_command()}` builds it")
    stamp = Path(package.origin).parent / STAMP
    if not stamp.is_file():
        return Build("unknown", "not built by make setup", frozenset())
    return parse_stamp(stamp.read_text("utf-8"))


def parse_stamp(text: str) -> Build:
    """The stamp's JSON as a Build. Raises ConfigurationError where it is damaged."""
    try:
        stamp = json.loads(text)
        return Build(stamp["kind"], stamp["reason"], frozenset(stamp["required_features"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"the engine's build stamp is damaged ({error}); `{setup_command()}` builds it anew"
        ) from error


def check_build(build: Build, features: frozenset[str]) -> None:
    """Raise ConfigurationError if this processor lacks what the build needs.

    `features` are the processor's instruction sets by Linux's names; none known, none checked.
    """
    missing = sorted(build.required_features - features)
    if features and missing:
        raise ConfigurationError(
            f"the engine was built for a processor with {', '.join(missing)}, which this one "
            f"lacks; `{setup_command()}` builds it for this machine"
        )


def check_gpu_layers(
    layers: int, build: Build, snapshot: Snapshot, environ: Mapping[str, str]
) -> None:
    """Raise ConfigurationError where an accelerator is to have layers and the engine uses none."""
    if layers <= 0 or build.kind != "cpu":
        return
    mend = "this machine has no GPU that can be used: leave out --gpu-layers"
    if snapshot.accelerators:
        best = _best(snapshot.accelerators)
        toolkits = find_toolkits(environ, snapshot.platform.partition(" ")[0])
        command = mending(best, snapshot.platform, toolkits, package_tool(environ))
        mend = f"to use {best.name}: {command}"
    raise ConfigurationError(
        f"--gpu-layers {layers}: the engine was built for the processor alone ({build.reason}); "
        f"{mend}"
    )


def notes(snapshot: Snapshot, environ: Mapping[str, str]) -> list[str]:
    """What the first screen says of the engine that is installed: see unused_accelerator."""
    try:
        build = installed_build()
    except ConfigurationError as error:
        return [str(error)]
    toolkits = find_toolkits(environ, snapshot.platform.partition(" ")[0])
    note = unused_accelerator(build, snapshot, toolkits, package_tool(environ))
    return [note] if note else []


def unused_accelerator(
    build: Build,
    snapshot: Snapshot,
    toolkits: Mapping[AcceleratorKind, str],
    package_tool: str | None,
) -> str | None:
    """That the machine's best accelerator is idle, why, and the command that mends it.

    None where the engine uses it, where its owner asked for this engine, or where the engine's
    build is not known. `toolkits` are those that are installed.
    """
    if not snapshot.accelerators or build.kind == "unknown" or build.reason == ASKED_FOR:
        return None
    best = _best(snapshot.accelerators)
    if best.runs_on(build.kind):
        return None
    return (
        f"{best.name} is not used: the engine was built for {_WHAT.get(build.kind, build.kind)} "
        f"({build.reason}). To use it: {mending(best, snapshot.platform, toolkits, package_tool)}"
    )


def _best(accelerators: Sequence[Accelerator]) -> Accelerator:
    return max(accelerators, key=lambda each: (not each.unified, each.memory_total_bytes))


def mending(
    accelerator: Accelerator,
    platform: str,
    toolkits: Mapping[AcceleratorKind, str],
    package_tool: str | None,
) -> str:
    """What a person types so that the engine can use a device."""
    kinds: list[AcceleratorKind] = [kind for kind in TOOLKITS if accelerator.runs_on(kind)]
    for kind in kinds:
        if kind in toolkits:
            return setup_command(platform, engine=kind)
    for kind in kinds:
        command = TOOLKITS[kind].packages.get(package_tool or "")
        if command is not None:
            return f"{command} && {setup_command(platform, engine=kind)}"
    kit = TOOLKITS[kinds[0]]
    return f"install {kit.name} from {kit.page}, then {setup_command(platform, engine=kinds[0])}"
