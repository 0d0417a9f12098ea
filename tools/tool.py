"""What a tool is, what it is given, and what it gives back."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict

from tools.bounds import Sandbox
from tools.fetcher import Fetcher
from tools.kept import KeptOutputs
from tools.threads import Threads
from tools.workspace import Workspace


class Arguments(BaseModel):
    """A tool's arguments, as the model writes them. More than there should be is ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


@dataclass(frozen=True, slots=True)
class Output:
    """What a tool says to the model, and facts about it for programs."""

    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Session:
    """What is remembered from call to call of one conversation."""

    todos: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])


@dataclass(frozen=True, slots=True)
class Times:
    """How long a command may run: usually, a package manager, and at most if it is asked for."""

    usual_s: float = 30.0
    packages_s: float = 300.0
    longest_s: float = 600.0


@dataclass(frozen=True, slots=True)
class CallContext:
    """Where and for whom a tool runs. `emit` is told output as it comes, on the event loop; `ask`
    puts a question to the person, and gives None where nobody answers.
    """

    workspace: Workspace
    kept: KeptOutputs
    threads: Threads
    session: Session
    emit: Callable[[str], None]
    sandbox: Sandbox | None = None
    fetcher: Fetcher | None = None
    ask: Callable[[str], Awaitable[str | None]] | None = None
    times: Times = Times()
    output_chars: int = 3000

    def readable(self, path: str) -> Workspace:
        """The workspace, or the folder of kept outputs where the path lies in it."""
        return self.kept.folder if self.kept.folder.holds(path) else self.workspace


A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True)
class Tool(Generic[A]):
    """One tool: its schema and its run, which raises ToolError."""

    name: str
    description: str
    arguments: type[A]
    run: Callable[[A, CallContext], Awaitable[Output]]

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its arguments, without titles, as models are shown it."""
        return _plain(self.arguments.model_json_schema())


def _plain(schema: Any) -> Any:
    if isinstance(schema, dict):
        told = cast("dict[str, Any]", schema)
        return {
            name: _plain(value)
            for name, value in told.items()
            if not (name == "title" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_plain(value) for value in cast("list[Any]", schema)]
    return schema
