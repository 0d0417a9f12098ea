"""The tool `edit`: exact words of a file in the place of others."""

import asyncio
import difflib
import re

from pydantic import Field

from tools.errors import InvalidArguments, ToolFailed
from tools.lines import lines_of
from tools.tool import Arguments, Call, Output, Tool

_FILE_BYTES = 8 << 20
_DIFF_LINES = 20_000


class EditArguments(Arguments):
    """OpenCode's names."""

    filePath: str = Field(description="The absolute path to the file to modify")  # noqa: N815
    oldString: str = Field(description="The text to replace, exactly as it stands")  # noqa: N815
    newString: str = Field(description="The text to put in its place")  # noqa: N815
    replaceAll: bool = Field(False, description="Replace all occurrences of oldString")  # noqa: N815


async def _run(arguments: EditArguments, call: Call) -> Output:
    return await asyncio.to_thread(_edit, arguments, call)


def _edit(arguments: EditArguments, call: Call) -> Output:
    path, old, new = arguments.filePath, arguments.oldString, arguments.newString
    if old == new:
        raise InvalidArguments("oldString and newString are the same")
    if not old:
        raise InvalidArguments("oldString is empty; use the tool write for a whole file")
    content = call.workspace.read(path, most_bytes=_FILE_BYTES)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ToolFailed(f"{path} is no UTF-8 text") from error
    # the tool read does not show how a line ends, so `old` cannot know it
    plain = text if "\r" in old else text.replace("\r\n", "\n")
    count = plain.count(old)
    if count == 0:
        raise ToolFailed(f"oldString does not stand in {path}{_nearest(text, arguments.oldString)}")
    if count > 1 and not arguments.replaceAll:
        raise ToolFailed(
            f"oldString stands {count} times in {path}; give more of the lines around it, "
            "or set replaceAll"
        )
    edited = text.replace(old, new) if plain == text else _with_ends(text, plain, old, new)
    call.workspace.write(path, edited.encode(errors="replace"))
    said = f"Edited {call.workspace.absolute(path)}: {count} replaced."
    return Output(said, {"replaced": count, "diff": _diff(path, text, edited)})


def _with_ends(text: str, plain: str, old: str, new: str) -> str:
    """The text with `new` for each `old` in `plain`, which has bare line feeds: what stays keeps
    its line ends, and what is new has those of the line where it begins.
    """
    ends = re.findall(r"\r?\n", text)
    first, *rest = plain.split(old)
    at = first.count("\n")
    pieces = [_ended(first, ends[:at])]
    for part in rest:
        bare = ends[min(at, len(ends) - 1)] == "\n"
        pieces.append(new if bare else new.replace("\r\n", "\n").replace("\n", "\r\n"))
        begun = at + old.count("\n")
        at = begun + part.count("\n")
        pieces.append(_ended(part, ends[begun:at]))
    return "".join(pieces)


def _ended(part: str, ends: list[str]) -> str:
    lines = part.split("\n")
    return "".join(line + end for line, end in zip(lines, [*ends, ""], strict=True))


def _nearest(text: str, old: str) -> str:
    """The line that is most like the first one looked for, with its number."""
    wanted = next((line.strip() for line in old.splitlines() if line.strip()), "")
    lines = lines_of(text)[:_DIFF_LINES]
    near = difflib.get_close_matches(wanted, [line.strip() for line in lines], n=1, cutoff=0.6)
    for number, line in enumerate(lines, 1):
        if near and line.strip() == near[0]:
            return f"; line {number} is like its first line: {line[:200]!r}"
    return ""


def _diff(path: str, before: str, after: str) -> str:
    lines = (before.splitlines(keepends=True), after.splitlines(keepends=True))
    if max(map(len, lines)) > _DIFF_LINES:
        return ""
    return "".join(difflib.unified_diff(*lines, path, path))


EDIT = Tool(
    "edit",
    "Replace exact text in a file. `oldString` must stand in it exactly once, unless "
    "`replaceAll` is set; leave out the line numbers that `read` shows.",
    EditArguments,
    _run,
)
