"""The node's own agent as the owner wants it: whose tools it uses, how far one answer may go.

Logs who ran which tool; never what it was given or what it said.
"""

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from api.tool_door import Toolbox
from printable import printable
from settings import Settings
from swarm.agent import Bounds, Emit, ToolResult
from swarm.errors import ToolsUnavailable
from swarm.types import ToolCall, ToolSpec
from tools.errors import InvalidArguments, ToolError

if TYPE_CHECKING:
    from tools.executor import Executor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Agent:
    """Tools, where they run in words, and the bounds of one answer."""

    tools: "Executor"
    place: str
    bounds: Bounds

    async def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that a model is offered. Raises ToolsUnavailable."""
        try:
            described = await self.tools.descriptions()
        except ToolError as error:
            raise ToolsUnavailable(f"the agent has no tools: {printable(str(error))}") from error
        return tuple(ToolSpec(each.name, each.description, each.parameters) for each in described)

    async def run(self, call: ToolCall, emit: Emit, *, label: str) -> ToolResult:
        """What the model is told of its call, also where it fails; `label` is the request's.

        A conversation of its own is remembered for each label.
        """
        began, outcome = time.monotonic(), "cancelled"
        try:
            arguments = _arguments(call)
            output = await self.tools.execute(call.name, arguments, session=label, emit=emit)
            outcome = "done"
            return ToolResult(output.text)
        except ToolError as error:
            outcome = type(error).__name__
            return ToolResult(f"Error: {error}", failed=True)
        finally:
            seconds = time.monotonic() - began
            logger.info(
                "%s: %s, run by %s: %s after %.2f s",
                label,
                _plain(call.name),
                self.place,
                outcome,
                seconds,
            )


def agent_with(settings: Settings, toolbox: Toolbox | None) -> Agent | None:
    """The agent that the owner wants, with the tools of this toolbox."""
    if not settings.agent or toolbox is None:
        return None
    limits = settings.agent_limits
    return Agent(toolbox.tools, toolbox.name, Bounds(limits.steps, limits.time_s, limits.tokens))


def _arguments(call: ToolCall) -> dict[str, Any]:
    """Raises InvalidArguments unless the text is a JSON object: not every engine is held to it."""
    try:
        arguments: Any = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise InvalidArguments(f"{call.name}: the arguments are no JSON: {error}") from None
    if not isinstance(arguments, dict):
        raise InvalidArguments(f"{call.name}: the arguments are a JSON object")
    return cast("dict[str, Any]", arguments)


def _plain(name: str) -> str:
    """A name that a model made up, fit for a line of the log."""
    return name if name.isidentifier() and len(name) <= 64 else "a tool of no name"
