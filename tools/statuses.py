"""What HTTP says for each error of a tool, for the server and its client."""

from typing import Final

from tools.errors import (
    InvalidArguments,
    NotPermitted,
    OutsideWorkspace,
    SandboxUnavailable,
    TooBusy,
    ToolError,
    ToolFailed,
    UnknownTool,
)

ERRORS: Final[dict[type[ToolError], tuple[int, str]]] = {
    UnknownTool: (404, "unknown_tool"),
    InvalidArguments: (400, "invalid_arguments"),
    OutsideWorkspace: (403, "outside_workspace"),
    NotPermitted: (403, "not_permitted"),
    ToolFailed: (422, "tool_failed"),
    TooBusy: (429, "too_busy"),
    SandboxUnavailable: (503, "sandbox_unavailable"),
}
"""The status and code of each error that a tool call raises."""
