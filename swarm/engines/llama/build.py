"""What the installed llama.cpp was built for; looks at it without loading it.

A library that names instruction sets which this processor lacks dies at once and says nothing,
so the node asks before it starts an engine.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from swarm.errors import ConfigurationError

STAMP = Path("lib") / "engine.json"
"""Where `make setup` writes down what it built, inside the package llama_cpp."""


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
        raise ConfigurationError("the engine is not installed; `make setup` builds it")
    stamp = Path(package.origin).parent / STAMP
    if not stamp.is_file():
        return Build("unknown", "not built by make setup", frozenset())
    return parse_stamp(stamp.read_text())


def parse_stamp(text: str) -> Build:
    """The stamp's JSON as a Build. Raises ConfigurationError where it is damaged."""
    try:
        stamp = json.loads(text)
        return Build(stamp["kind"], stamp["reason"], frozenset(stamp["required_features"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"the engine's build stamp is damaged ({error}); `make setup` builds it anew"
        ) from error


def check_build(build: Build, features: frozenset[str]) -> None:
    """Raise ConfigurationError if this processor lacks what the build needs.

    `features` are the processor's instruction sets by Linux's names; none known, none checked.
    """
    missing = sorted(build.required_features - features)
    if features and missing:
        raise ConfigurationError(
            f"the engine was built for a processor with {', '.join(missing)}, which this one "
            "lacks; `make clean setup` builds it for this machine"
        )
