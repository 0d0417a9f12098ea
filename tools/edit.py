"""The tool `edit`: exact words of a file in the place of others."""

import difflib
import re
import time

from pydantic import Field

from tools.errors import InvalidArguments, ToolFailed
from tools.lines import lines_of
from tools.tool import Arguments, CallContext, Output, Tool

_FILE_BYTES = 8 << 20
_DIFF_LINES = 1000
"""Files are compared if at most this many lines lie from the first that changes to the last;
comparing can take the cube of them."""
_AROUND = 3
_NO_END = "\n\\ No newline at end of file\n"
_HINT_CHARS = 300
_HINT_S = 1.0


class EditArguments(Arguments):
    """OpenCode's names."""

    filePath: str = Field(description="The absolute path to the file to modify")  # noqa: N815
    oldString: str = Field(description="The text to replace, exactly as it stands")  # noqa: N815
    newString: str = Field(description="The text to put in its place")  # noqa: N815
    replaceAll: bool = Field(False, description="Replace all occurrences of oldString")  # noqa: N815


async def _run(arguments: EditArguments, context: CallContext) -> Output:
    return await context.threads.run(_edit, arguments, context)


def _edit(arguments: EditArguments, context: CallContext) -> Output:
    path, old, new = arguments.filePath, arguments.oldString, arguments.newString
    if old == new:
        raise InvalidArguments("oldString and newString are the same")
    if not old:
        raise InvalidArguments("oldString is empty; use the tool write for a whole file")
    content = context.workspace.read(path, most_bytes=_FILE_BYTES)
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
    if len(plain) + count * (len(new) - len(old)) > _FILE_BYTES:
        raise ToolFailed(f"{count} times newString would make {path} larger than 8 MiB")
    edited = text.replace(old, new) if plain == text else _with_ends(text, plain, old, new)
    context.workspace.write(path, edited.encode(errors="replace"))
    said = f"Edited {context.workspace.absolute(path)}: {count} replaced."
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
    """The line that is most like the first one looked for, with its number, as far as the time
    goes; a line that is long is like none.
    """
    wanted = next((line.strip() for line in old.splitlines() if line.strip()), "")
    if not 0 < len(wanted) <= _HINT_CHARS:
        return ""
    until = time.monotonic() + _HINT_S
    alike = difflib.SequenceMatcher(b=wanted)
    best, said = 0.6, ""
    for number, line in enumerate(lines_of(text), 1):
        if time.monotonic() > until:
            break
        bare = line.strip()
        alike.set_seq1(bare if len(bare) <= _HINT_CHARS else "")
        if _is_above(alike, best):
            best = alike.ratio()
            said = f"; line {number} is like its first line: {line[:200]!r}"
    return said


def _is_above(alike: "difflib.SequenceMatcher[str]", least: float) -> bool:
    """The first two are bounds of the third, and cheap."""
    return all(
        ratio() > least for ratio in (alike.real_quick_ratio, alike.quick_ratio, alike.ratio)
    )


def _diff(path: str, before: str, after: str) -> str:
    """Nothing where what changes is too long to compare."""
    old, new = _with_feeds(before), _with_feeds(after)
    first = _same(old, new)
    last = min(_same(old[::-1], new[::-1]), min(len(old), len(new)) - first)
    if max(len(old), len(new)) - first - last > _DIFF_LINES:
        return ""
    skipped, end = max(first - _AROUND, 0), max(last - _AROUND, 0)
    parts = (old[skipped : len(old) - end], new[skipped : len(new) - end])
    told = difflib.unified_diff(*parts, path, path, n=_AROUND)
    lines = (_moved(line, skipped) if line.startswith("@@") else line for line in told)
    return "".join(line if line.endswith("\n") else line + _NO_END for line in lines)


def _with_feeds(text: str) -> list[str]:
    """Its lines with their ends, as programs that apply a diff count them."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _same(one: list[str], other: list[str]) -> int:
    """How many lines are the same from the first on."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _moved(head: str, lines: int) -> str:
    """The head of a part of a diff, with its line numbers higher by `lines`."""
    return re.sub(r"(?<=[-+])\d+", lambda number: str(int(number[0]) + lines), head)


EDIT = Tool(
    "edit",
    "Replace exact text in a file. `oldString` must stand in it exactly once, unless "
    "`replaceAll` is set; leave out the line numbers that `read` shows.",
    EditArguments,
    _run,
)
