"""The tool `grep`: lines of files by a regular expression."""

import itertools
import time
from collections.abc import Iterator

import regex
from pydantic import Field

from pattern_size import MOST_PARTS, is_bounded
from tools.errors import InvalidArguments, ToolError, ToolFailed
from tools.kept import LINE_CHARS
from tools.lines import lines_of, pieces_of
from tools.patterns import Patterns
from tools.tool import Arguments, CallContext, Output, Tool
from tools.walk import Found, walk
from tools.workspace import Workspace

_MATCHES = 100
_LINE_CHARS = 500
_BEFORE_CHARS = 200
_FILE_BYTES = 8 << 20
_PATTERN_CHARS = 1000
_SECONDS = 15.0


class GrepArguments(Arguments):
    """OpenCode's names."""

    pattern: str = Field(description="The regular expression to search for in file contents")
    path: str | None = Field(None, description="The folder or file to search in")
    include: str | None = Field(None, description='Files to search, such as "*.{ts,tsx}"')


async def _run(arguments: GrepArguments, context: CallContext) -> Output:
    return await context.threads.run(_grep, arguments, context)


def _grep(arguments: GrepArguments, context: CallContext) -> Output:
    deadline = time.monotonic() + _SECONDS
    pattern = _compiled(arguments.pattern)
    start = arguments.path or "."
    place = context.readable(start)
    paths = _paths(place, start, arguments.include, deadline)
    lines: list[str] = []
    count, broken = 0, place is context.kept.folder
    for path in paths:
        matches = _matches(place, path, pattern, deadline, broken=broken)
        found = list(itertools.islice(matches, _MATCHES + 1 - count))
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
    place: Workspace, path: str, pattern: "regex.Pattern[str]", deadline: float, *, broken: bool
) -> Iterator[tuple[int, str]]:
    """Number and text of each line that matches; nothing for binary and unreadable files. Where
    long lines count as several, the number is that of the one in which the match begins.
    """
    try:
        content = place.read(path, most_bytes=_FILE_BYTES)
    except ToolError:
        return
    if b"\0" in content[:8192]:
        return
    number = 1
    for line in lines_of(content.decode(errors="replace")):
        if span := _first_in(line, pattern, deadline):
            yield number + (span[0] // LINE_CHARS if broken else 0), _around(line, *span)
        number += len(pieces_of(line, LINE_CHARS)) if broken else 1


def _around(line: str, first: int, last: int) -> str:
    """The line's beginning, or what stands around a match that lies behind it."""
    if last <= _LINE_CHARS:
        return line[:_LINE_CHARS]
    begin = max(0, min(first - _BEFORE_CHARS, len(line) - _LINE_CHARS))
    return f"{'...' if begin else ''}{line[begin : begin + _LINE_CHARS]}"


def _first_in(line: str, pattern: "regex.Pattern[str]", deadline: float) -> tuple[int, int] | None:
    """A pattern can take exponential time, so it is given what is left."""
    left = deadline - time.monotonic()
    try:
        if left > 0:
            match = pattern.search(line, timeout=left, concurrent=True)
            return match and match.span()
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
