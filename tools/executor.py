"""What runs tools, here or on another machine, as those see it who have them run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tools.tool import Output

Emit = Callable[[str], None]


def silent(text: str) -> None:
    """For callers who wait for the whole output."""


@dataclass(frozen=True, slots=True)
class ToolDescription:
    """What a model is told of a tool."""

    name: str
    description: str
    parameters: Mapping[str, Any]


class Executor(Protocol):
    """Runs tools, here or elsewhere. Cancelling a call ends what it started."""

    async def descriptions(self) -> Sequence[ToolDescription]:
        """Raises ToolError."""
        ...

    async def execute(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        session: str = "",
        emit: Emit = silent,
    ) -> Output:
        """Raises ToolError."""
        ...
