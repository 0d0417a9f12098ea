"""Git's patterns, each match held to a time: as regular expressions, some take exponential time."""

from collections.abc import Iterable
from typing import Any, AnyStr

import regex
from pathspec import GitIgnoreSpec
from pathspec.pattern import RegexMatchResult
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from tools.errors import ToolFailed

_MATCH_S = 0.25


class _TimedPattern(GitIgnoreSpecPattern):
    """One pattern. Raises ToolFailed where a path takes too long."""

    def __init__(self, line: str) -> None:
        """Raises ValueError for a line that isn't a pattern."""
        text, include = self.pattern_to_regex(line)
        try:
            self._compiled = None if text is None else regex.compile(text)
        except regex.error as error:
            raise ValueError(f"{line!r}: {error}") from error
        # it has the methods of a pattern of the standard library, which knows no timeout
        like: Any = self._compiled
        super().__init__(like, include)  # pyright: ignore[reportUnknownMemberType]
        self._line = line

    def match_file(self, file: AnyStr) -> RegexMatchResult | None:
        if self._compiled is None:
            return None
        path: Any = file
        try:
            found: Any = self._compiled.search(path, timeout=_MATCH_S)
        except TimeoutError:
            said = f"the pattern {self._line[:100]!r} takes too long to match {path[:100]!r}"
            raise ToolFailed(f"{said}; use a simpler one") from None
        return None if found is None else RegexMatchResult(found)


def spec_of(lines: Iterable[str]) -> GitIgnoreSpec:
    """Raises ValueError for a line that isn't a pattern."""
    return GitIgnoreSpec([_TimedPattern(line) for line in lines], backend="simple")


def spec_of_file(text: str) -> GitIgnoreSpec:
    """The rules of a .gitignore; lines that aren't patterns are passed over, as Git does."""
    patterns: list[_TimedPattern] = []
    for line in text.splitlines():
        try:
            patterns.append(_TimedPattern(line))
        except ValueError:
            continue
    return GitIgnoreSpec(patterns, backend="simple")
