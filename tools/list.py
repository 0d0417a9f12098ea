"""The tool `list`: the files beneath a folder as a tree."""

import time

from pydantic import Field

from tools.patterns import Patterns
from tools.tool import Arguments, CallContext, Output, Tool
from tools.walk import walk

_FILES = 100
_SECONDS = 10.0


class ListArguments(Arguments):
    """OpenCode's names."""

    path: str | None = Field(None, description="The absolute path to the folder to list")
    ignore: list[str] | None = Field(None, description="Glob patterns of files to leave out")


async def _run(arguments: ListArguments, context: CallContext) -> Output:
    return await context.threads.run(_list, arguments, context)


def _list(arguments: ListArguments, context: CallContext) -> Output:
    start = arguments.path or "."
    ignored = [Patterns(context.workspace, start, pattern) for pattern in arguments.ignore or []]
    found: list[str] = []
    for file in walk(context.workspace, start, deadline=time.monotonic() + _SECONDS):
        if any(patterns.match(file) for patterns in ignored):
            continue
        if len(found) == _FILES:
            found.append("")
            break
        found.append(file.path)
    more = len(found) > _FILES
    lines = [context.workspace.absolute(start) + "/", *_tree(found[:_FILES], start, context)]
    if more:
        lines.append(f"(only the first {_FILES} files)")
    return Output("\n".join(lines), {"files": min(len(found), _FILES), "cut": more})


def _tree(paths: list[str], start: str, context: CallContext) -> list[str]:
    """Folders before what they hold, two spaces a step."""
    base = context.workspace.relative(start)
    shown: set[str] = set()
    lines: list[str] = []
    for path in paths:
        inner = path if base == "." else path.removeprefix(f"{base}/")
        *folders, name = inner.split("/")
        for depth in range(len(folders)):
            folder = "/".join(folders[: depth + 1])
            if folder not in shown:
                shown.add(folder)
                lines.append(f"{'  ' * (depth + 1)}{folders[depth]}/")
        lines.append(f"{'  ' * (len(folders) + 1)}{name}")
    return lines


LIST = Tool(
    "list",
    "List the files beneath a folder as a tree, without what Git ignores. Prefer `glob` and "
    "`grep` where you know what you look for.",
    ListArguments,
    _run,
)
