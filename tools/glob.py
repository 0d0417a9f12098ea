"""The tool `glob`: files by a pattern of their paths, the last changed first."""

import time

from pydantic import Field

from tools.patterns import Patterns
from tools.tool import Arguments, CallContext, Output, Tool
from tools.walk import Found, walk

_FILES = 100
_SECONDS = 10.0


class GlobArguments(Arguments):
    """OpenCode's names."""

    pattern: str = Field(description="The glob pattern to match files against")
    path: str | None = Field(None, description="The folder to search in (default: the workspace)")


async def _run(arguments: GlobArguments, context: CallContext) -> Output:
    return await context.threads.run(_glob, arguments, context)


def _glob(arguments: GlobArguments, context: CallContext) -> Output:
    start = arguments.path or "."
    patterns = Patterns(context.workspace, start, arguments.pattern)
    files = walk(context.workspace, start, deadline=time.monotonic() + _SECONDS)
    found = sorted(filter(patterns.match, files), key=_newest_first)
    lines = [context.workspace.absolute(file.path) for file in found[:_FILES]] or ["No files found"]
    if len(found) > _FILES:
        lines.append(f"(the {_FILES} last changed of {len(found)}; use a narrower pattern)")
    return Output("\n".join(lines), {"count": len(found), "cut": len(found) > _FILES})


def _newest_first(file: Found) -> tuple[float, str]:
    return -file.entry.changed_s, file.path


GLOB = Tool(
    "glob",
    "Find files by name, such as `**/*.js` or `src/**/*.{ts,tsx}`; the last changed come first.",
    GlobArguments,
    _run,
)
