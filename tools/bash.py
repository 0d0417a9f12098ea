"""The tool `bash`: a command in the sandbox, with its output as it comes."""

import re

from pydantic import Field

from tools.command import Ended, run_to_end
from tools.errors import NotPermitted, ToolFailed
from tools.tool import Arguments, CallContext, Output, Tool

_COMMAND_BYTES = 128_000
"""A command has at most this many bytes: Linux takes 128 KiB in one argument of a program."""

_WORDS = re.compile(r"[;&|(\n]|[^\s;&|(]+")
_SEPARATORS = frozenset(";&|(\n")
_BEFORE_COMMANDS = frozenset({"sudo", "env", "exec", "time", "nice"})
_ASSIGNMENT = re.compile(r"\w+=")
_PACKAGE_MANAGER = re.compile(
    r"(?:npm|npx|pnpm|yarn|bun|pip3?|pipx|uv|poetry|pdm|conda|mamba|cargo|go|gem|bundle|"
    r"composer|mvn|gradle|dotnet|apt|apt-get|apk|dnf|brew|nix)\b"
)
_MODULE = re.compile(r"(?:pip|uv)\b")


class BashArguments(Arguments):
    """OpenCode's names."""

    command: str = Field(description="The command to execute")
    timeout: int | None = Field(None, gt=0, description="Optional timeout in milliseconds")
    workdir: str | None = Field(
        None, description="The folder to run in (default: the workspace). Use this, not `cd`."
    )


async def _run(arguments: BashArguments, context: CallContext) -> Output:
    if context.sandbox is None:
        raise NotPermitted("commands are not allowed on this machine")
    if "\0" in arguments.command or not arguments.command.strip():
        raise ToolFailed("the command is empty, or has a zero byte in it")
    if len(arguments.command.encode()) > _COMMAND_BYTES:
        raise ToolFailed(
            f"a command has at most {_COMMAND_BYTES} bytes; put what is long in a file with `write`"
        )
    folder = await context.threads.run(_folder, arguments.workdir, context)
    timeout_s = seconds(arguments, context)
    launch = await context.threads.run(context.sandbox.launch, arguments.command, folder)
    ended = await run_to_end(launch, timeout_s=timeout_s, emit=context.emit)
    text = await context.threads.run(context.kept.told, ended.output, context.output_chars)
    return Output(
        "\n".join(filter(None, [text.rstrip("\n"), _mark(ended, timeout_s, context)])),
        {"exit": ended.status, "ending": ended.ending, "characters": len(ended.output)},
    )


def seconds(arguments: BashArguments, context: CallContext) -> float:
    """How long the command may run: what is asked for, or what is usual for it, within the
    owner's bound.
    """
    times = context.times
    usual = times.usual_s
    if is_package_manager(arguments.command):
        usual = times.packages_s
    if arguments.timeout is None:
        return min(usual, times.longest_s)
    return min(arguments.timeout, times.longest_s * 1000) / 1000


def is_package_manager(command: str) -> bool:
    """Whether it starts one, which downloads and builds."""
    begins = True
    words = _WORDS.findall(command)
    for at, word in enumerate(words):
        if word in _SEPARATORS:
            begins = True
        elif begins and (_PACKAGE_MANAGER.match(word) or _is_module(words[at : at + 3])):
            return True
        elif not (begins and _ASSIGNMENT.match(word)):
            begins = word.rpartition("/")[2] in _BEFORE_COMMANDS
    return False


def _is_module(words: list[str]) -> bool:
    """Whether they are `python -m pip`, wherever that Python is."""
    if len(words) < 3 or words[1] != "-m":
        return False
    return words[0].rstrip("0123456789.").endswith("python") and bool(_MODULE.match(words[2]))


def _folder(workdir: str | None, context: CallContext) -> str:
    if workdir is None:
        return str(context.workspace.root)
    if context.workspace.kind(workdir) != "folder":
        raise ToolFailed(f"workdir {workdir} is no folder")
    return context.workspace.absolute(workdir)


def _mark(ended: Ended, timeout_s: float, context: CallContext) -> str:
    if ended.ending == "timed out":
        bound = f"at most {context.times.longest_s * 1000:.0f}"
        return f"[ended after {timeout_s:g} s; `timeout` gives it more, in milliseconds, {bound}]"
    if ended.ending == "too much output":
        return f"[ended, as it said more than {len(ended.output)} characters]"
    if ended.status:
        return f"[exit status {ended.status}]"
    return "" if ended.output.strip() else "[no output]"


BASH = Tool(
    "bash",
    "Run a bash command in the workspace. It sees the workspace and the system's programs only, "
    "has no input and usually no network; its output is cut in the middle when it is long. "
    "Not for reading, writing or searching files: there are tools for that.",
    BashArguments,
    _run,
)
