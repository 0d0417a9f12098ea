"""Every refusal and failure of a tool; the message is for the model, and says what would be right.

ToolError
├── UnknownTool          there is no tool of this name
├── InvalidArguments     the arguments are not what the tool asks for
├── OutsideWorkspace     the path leads out of the workspace
├── NotPermitted         the owner has not granted it
├── ToolFailed           it was allowed, and did not work
├── TooBusy              too many calls at once
└── SandboxUnavailable   this machine cannot keep commands in bounds
"""


class ToolError(Exception):
    """A tool did not do what was asked; `str()` of it is told to the model."""


class UnknownTool(ToolError):
    """No tool has this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no tool {name!r}; there is {', '.join(known)}")


class InvalidArguments(ToolError):
    """The arguments do not fit the tool's schema."""


class OutsideWorkspace(ToolError):
    """A path that leads out of the workspace, by whatever way."""


class NotPermitted(ToolError):
    """The owner of this machine has to grant it first."""


class ToolFailed(ToolError):
    """The tool tried and failed."""


class TooBusy(ToolError):
    """As many calls run as may run at once."""


class SandboxUnavailable(ToolError):
    """No sandbox works here, so no command may run."""
