"""Where JSON ends that a model writes: marks outside of its strings, as the text grows."""

import re

_IN_STRING = re.compile(r'"|\\')
_BRACKETS = r"[{}\[\]]"


class Outside:
    """Finds what matches `marks` outside of JSON strings, however the text is chunked.

    Nothing that matches holds a quotation mark or a backslash, so that what may be the beginning of
    a mark can be read again with what follows it.
    """

    def __init__(self, marks: str) -> None:
        self._marks = re.compile(f'"|{marks}')
        self._escaped = False
        self.in_string = False

    def find(self, data: str, at: int = 0) -> "re.Match[str] | None":
        """The next of the marks from `at` on; None where `data` has no more of them."""
        if self._escaped and at < len(data):
            self._escaped, at = False, at + 1
        while found := (_IN_STRING if self.in_string else self._marks).search(data, at):
            at = found.end()
            if found.group() == "\\":
                self._escaped = at == len(data)
                at += 1
            elif found.group() == '"':
                self.in_string = not self.in_string
            else:
                return found
        return None


def unfinished(text: str) -> bool:
    """Whether a text is the beginning of a JSON object, or nothing yet, and not all of it."""
    begun = text.strip()
    return not begun or (begun.startswith("{") and ObjectEnd().find(begun) is None)


class ObjectEnd:
    """Finds the end of a JSON object that begins with its brace, or `mark` before that."""

    def __init__(self, mark: str | None = None) -> None:
        self._outside = Outside(f"{_BRACKETS}|{re.escape(mark)}" if mark else _BRACKETS)
        self._mark = mark
        self._depth = 0

    @property
    def in_string(self) -> bool:
        """Whether what was read so far ends within a string."""
        return self._outside.in_string

    def find(self, data: str) -> "re.Match[str] | None":
        """The object's last brace or the mark; None where `data` has neither."""
        at = 0
        while found := self._outside.find(data, at):
            at = found.end()
            if found.group() == self._mark:
                return found
            self._depth += 1 if found.group() in "{[" else -1
            if not self._depth:
                return found
        return None
