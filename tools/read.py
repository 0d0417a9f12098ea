"""The tool `read`: a page of a text file with its line numbers, or the names in a folder."""

from pydantic import Field

from tools.errors import ToolFailed
from tools.kept import LINE_CHARS
from tools.lines import lines_of, pieces_of
from tools.tool import Arguments, CallContext, Output, Tool
from tools.workspace import Workspace

_LINES = 2000
_PAGE_CHARS = 20_000
_FILE_BYTES = 32 << 20
_ENTRIES = 1000


class ReadArguments(Arguments):
    """OpenCode's names."""

    filePath: str = Field(description="The absolute path to the file or folder to read")  # noqa: N815
    offset: int | None = Field(None, ge=0, description="The line to begin with, counted from 1")
    limit: int | None = Field(None, ge=0, description=f"The most lines to read (default {_LINES})")


async def _run(arguments: ReadArguments, context: CallContext) -> Output:
    return await context.threads.run(_read, arguments, context)


def _read(arguments: ReadArguments, context: CallContext) -> Output:
    path = arguments.filePath
    place = context.readable(path)
    if place.kind(path) == "folder":
        return _folder(place, path)
    content = place.read(path, most_bytes=_FILE_BYTES)
    if b"\0" in content[:8192]:
        raise ToolFailed(f"{path} is a binary file, {len(content)} bytes")
    lines = lines_of(content.decode(errors="replace"))
    if place is context.kept.folder:
        lines = [piece for line in lines for piece in pieces_of(line, LINE_CHARS)]
    first = max(arguments.offset or 1, 1)
    if first > max(len(lines), 1):
        raise ToolFailed(f"{path} has {len(lines)} lines, so there is no line {first}")
    page, last = _page(lines, first, arguments.limit or _LINES)
    end = f"(End of file - total {len(lines)} lines)"
    if last < len(lines):
        end = f"(File has more lines. Use 'offset' {last + 1} to read on; {len(lines)} in all)"
    return Output(
        _shown(place, path, "file", "content", f"{page}\n\n{end}"),
        {"lines": len(lines), "first": first, "last": last},
    )


def _page(lines: list[str], first: int, most: int) -> tuple[str, int]:
    """The numbered lines, and the number of the last of them."""
    shown: list[str] = []
    chars = 0
    for number, line in enumerate(lines[first - 1 : first - 1 + most], first):
        text = line if len(line) <= LINE_CHARS else line[:LINE_CHARS] + "... (line cut)"
        chars += len(text)
        if shown and chars > _PAGE_CHARS:
            break
        shown.append(f"{number}: {text}")
    return "\n".join(shown), first - 1 + len(shown)


def _folder(place: Workspace, path: str) -> Output:
    entries = place.entries(path)
    names = [entry.name + ("/" if entry.kind == "folder" else "") for entry in entries]
    shown = "\n".join(names[:_ENTRIES])
    end = f"({len(names)} entries)"
    return Output(
        _shown(place, path, "directory", "entries", f"{shown}\n\n{end}"), {"entries": len(names)}
    )


def _shown(place: Workspace, path: str, kind: str, part: str, content: str) -> str:
    head = f"<path>{place.absolute(path)}</path>\n<type>{kind}</type>"
    return f"{head}\n<{part}>\n{content}\n</{part}>"


READ = Tool(
    "read",
    "Read a text file, or list a folder. Each line is shown as `<number>: <content>`; up to "
    f"{_LINES} lines are read, from `offset` on.",
    ReadArguments,
    _run,
)
