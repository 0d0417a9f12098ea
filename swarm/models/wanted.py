"""What is to be brought here, and by whom; the hub's library is not needed to say it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from swarm.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Wanted:
    """Files of one model on the hub; the first is the one to load, none means all of it.

    `sampling` is what its publisher recommends, `tool_calls` how it writes calls.
    """

    id: str
    repository: str
    files: tuple[str, ...]
    revision: str | None = None
    size_bytes: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])
    tool_calls: str | None = None


Fetch: TypeAlias = Callable[[Wanted, Path], bool]
"""Copies the files of a model from a peer into a folder, at their names; whether it could."""


Moved: TypeAlias = Callable[[int], object]
"""A callback that is told how many bytes of a model are here."""

Bring: TypeAlias = Callable[[Wanted], Path]
"""Brings the files of a model here and returns the one to load, or the folder of an MLX model."""


class Unreachable(ConfigurationError):
    """What is wanted is not here and cannot be had: no way to the hub, a refusal, no room."""
