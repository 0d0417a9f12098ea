"""Glob patterns as people write them: Git's rules, with braces for alternatives."""

import re
from collections.abc import Iterator

from tools.errors import InvalidArguments
from tools.rules import spec_of
from tools.walk import Found
from tools.workspace import Workspace

_MOST = 256
_CHARS = 500
_BRACES = re.compile(r"\{([^{}]*)\}")


class Patterns:
    """Whether a file beneath a folder matches one pattern."""

    def __init__(self, workspace: Workspace, start: str, pattern: str) -> None:
        """Raises InvalidArguments for a pattern that is none."""
        base, inner = workspace.relative(start), workspace.within(pattern)
        # an absolute pattern counts from the root, wherever the search begins
        self._prefix = "" if base == "." or inner is not None else f"{base}/"
        told = (pattern if inner is None else inner).removeprefix("./")
        if "\0" in told or not 0 < len(told) <= _CHARS or told.startswith("!"):
            raise InvalidArguments(f"{pattern!r} is no glob pattern")
        try:
            self._spec = spec_of(alternatives(told))
        except ValueError as error:
            raise InvalidArguments(f"{pattern!r} is no glob pattern: {error}") from error

    def match(self, file: Found) -> bool:
        return self._spec.match_file(file.path.removeprefix(self._prefix))


def alternatives(pattern: str) -> list[str]:
    """`a.{b,c}` as `a.b` and `a.c`, nested ones too. Raises InvalidArguments past 256."""
    found: list[str] = []
    for each in _expanded(pattern):
        found.append(each)
        if len(found) > _MOST:
            raise InvalidArguments(f"{pattern!r} stands for more than {_MOST} patterns")
    return found


def _expanded(pattern: str) -> Iterator[str]:
    match = _BRACES.search(pattern)
    if match is None:
        yield pattern
        return
    for part in match[1].split(","):
        yield from _expanded(pattern[: match.start()] + part + pattern[match.end() :])
