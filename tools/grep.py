"""The tool `grep`: lines of files by a regular expression."""

import time
from collections.abc import Iterator

import regex
from pydantic import Field

from pattern_size import MOST_PARTS, is_bounded
from tools.errors import InvalidArguments, ToolError, ToolFailed
from tools.lines import lines_of
from tools.patterns import Patterns
from tools.tool import Arguments, Call, Output, Tool
from tools.walk import Found, walk
from tools.workspace import Workspace

_MATCHES = 100
_LINE_CHARS = 500
_FILE_BYTES = 8 << 20
_PATTERN_CHARS = 1000
_SECONDS = 15.0


class GrepArguments(Arguments):
    """OpenCode's names."""

    pattern: str = Field(description="The regular expression to search for in file contents")
    path: str | None = Field(None, description="The folder or file to search in")
    include: str | None = Field(None, description='Files to search, such as "*.{ts,tsx}"')


async def _run(arguments: GrepArguments, call: Call) -> Output:
    return await call.threads.run(_grep, arguments, call)


def _grep(arguments: GrepArguments, call: Call) -> Output:
    deadline = time.monotonic() + _SECONDS
    pattern = _compiled(arguments.pattern)
    start = arguments.path or "."
    place = call.readable(start)
    paths = _paths(place, start, arguments.include, deadline)
    lines: list[str] = []
    count = 0
    for path in paths:
        found = list(_matches(place, path, pattern, deadline, most=_MATCHES + 1 - count))
        count += len(found)
        if found:
            lines += [f"{place.absolute(path)}:", *(f"  Line {n}: {text}" for n, text in found), ""]
        if count > _MATCHES:
            break
    if not count:
        return Output("No matches found", {"matches": 0, "cut": False})
    head = f"Found {min(count, _MATCHES)} matches"
    if count > _MATCHES:
        head = f"Found more than {_MATCHES} matches; use a narrower pattern, path or include"
    return Output("\n".join([head, *lines]).rstrip(), {"matches": count, "cut": count > _MATCHES})


def _compiled(pattern: str) -> "regex.Pattern[str]":
    if len(pattern) > _PATTERN_CHARS:
        raise InvalidArguments(f"a pattern has at most {_PATTERN_CHARS} characters")
    if not is_bounded(pattern):
        raise InvalidArguments(
            f"{pattern!r} has more than {MOST_PARTS} parts once its counts are written out; use "
            "smaller counts, and no comments or (?f), (?x), (?V1)"
        )
    try:
        return regex.compile(pattern, cache_pattern=False)
    except (regex.error, OverflowError, RecursionError) as error:
        raise InvalidArguments(f"{pattern!r} is no regular expression: {error}") from error


def _paths(place: Workspace, start: str, include: str | None, deadline: float) -> Iterator[str]:
    if place.kind(start) == "file":
        yield place.relative(start)
        return
    patterns = Patterns(place, start, include) if include else None
    for file in walk(place, start, deadline=deadline):
        if _is_searched(file) and (patterns is None or patterns.match(file)):
            yield file.path


def _is_searched(file: Found) -> bool:
    return file.entry.size_bytes <= _FILE_BYTES


def _matches(
    place: Workspace, path: str, pattern: "regex.Pattern[str]", deadline: float, *, most: int
) -> Iterator[tuple[int, str]]:
    """Number and text of each line that matches; nothing for binary and unreadable files."""
    try:
        content = place.read(path, most_bytes=_FILE_BYTES)
    except ToolError:
        return
    if b"\0" in content[:8192]:
        return
    for number, line in enumerate(lines_of(content.decode(errors="replace")), 1):
        if _stands_in(line, pattern, deadline):
            yield number, line[:_LINE_CHARS]
            most -= 1
        if most == 0:
            return


def _stands_in(line: str, pattern: "regex.Pattern[str]", deadline: float) -> bool:
    """A pattern can take exponential time, so it is given what is left."""
    left = deadline - time.monotonic()
    try:
        if left > 0:
            return pattern.search(line, timeout=left, concurrent=True) is not None
    except TimeoutError:
        pass
    raise ToolFailed(f"the search took longer than {_SECONDS:.0f} s; use a simpler pattern")


GREP = Tool(
    "grep",
    "Search the contents of files by a regular expression; `include` narrows the files, such as "
    "`*.py`. Returns paths with the lines that match and their numbers.",
    GrepArguments,
    _run,
)
