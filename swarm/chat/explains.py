"""Whether a text tells the user what to run where it should have called a tool."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from swarm.types import Message, ToolSpec

_FENCED = re.compile(
    r"^\s*```[ \t]*(?:bash|sh|shell|zsh|console|powershell|cmd)[ \t]*\n", re.MULTILINE
)


def explains(text: str, tools: Sequence[ToolSpec]) -> bool:
    """Whether it holds a fenced command though one of the tools takes a command."""
    return bool(_FENCED.search(text)) and any(map(_takes_command, tools))


def called_in_turn(messages: Sequence[Message]) -> bool:
    """Whether a tool was called since the user spoke last."""
    for message in reversed(messages):
        if message.role == "user":
            return False
        if message.tool_calls:
            return True
    return False


def _takes_command(tool: ToolSpec) -> bool:
    properties = cast(Mapping[str, Any], tool.parameters.get("properties", {}))
    return "command" in properties
