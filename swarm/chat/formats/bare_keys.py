"""Objects as Gemma 4 writes them, to JSON while they grow: bare keys, strings between marks."""

import json
import re

from swarm.chat.calls import is_json
from swarm.chat.marks import partial_mark

QUOTE = '<|"|>'
"""The mark that begins a string and ends it; whatever stands between, line breaks too, is its
text."""

JSON_SPACE = " \t\n\r"
"""White space as JSON has it: any other belongs to a key or a bare word."""

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_KEY = re.compile(r"[^:,{}\[\]][^:,{}\[\]<]*(?=[:,{}\[\]<])")
_VALUE = re.compile(r"[^,}\]][^,}\]<]*(?=[,}\]<])")
_CLOSES = {"{": "}", "[": "]"}


class BareObject:
    """Reads one object and what is in it; the JSON does not depend on the chunking.

    Keys and strings may also be written as JSON. A bare word that isn't JSON is a string, but for
    None, as which the model's own template shows it what was null. What makes no sense makes JSON
    that makes none. `close`: ends the object wherever it stands outside of strings.
    """

    def __init__(self, close: str) -> None:
        self._close = close
        self._due: list[str] = []  # what closes the objects and lists that are open
        self._in_text = False
        self._at_key = False
        self._held = ""
        self.ended = False

    def feed(self, text: str) -> str:
        """The JSON that `text` completes; what comes behind the object is in `rest`."""
        self._held += text
        pieces: list[str] = []
        while not self.ended:
            piece = self._text() if self._in_text else self._structure()
            if piece is None:
                break
            pieces.append(piece)
        return "".join(pieces)

    @property
    def rest(self) -> str:
        """What is not read yet."""
        return self._held

    def finish(self) -> str:
        """What was held back of an object that did not end."""
        rest, self._held = self._held, ""
        return _escaped(rest) if self._in_text else rest

    def _text(self) -> str | None:
        before, found, after = self._held.partition(QUOTE)
        if found:
            self._in_text, self._held = False, after
            return f'{_escaped(before)}"'
        keep = len(before) - partial_mark(before, QUOTE)
        self._held = before[keep:]
        return _escaped(before[:keep]) or None

    def _structure(self) -> str | None:
        data = self._held = self._held.lstrip(JSON_SPACE)
        if not data or any(mark.startswith(data) and mark != data for mark in self._marks):
            return None
        if data.startswith(self._close):
            self.ended = True
            return ""
        if data.startswith(QUOTE):
            self._in_text, self._held = True, data.removeprefix(QUOTE)
            return '"'
        if data[0] in "{}[],:":
            self._held = data[1:]
            return self._mark(data[0])
        found = (_JSON_STRING if data[0] == '"' else _KEY if self._at_key else _VALUE).match(data)
        if not found:
            return None
        self._held = data[found.end() :]
        return found[0] if data[0] == '"' else _bare(found[0].rstrip(JSON_SPACE), key=self._at_key)

    @property
    def _marks(self) -> tuple[str, str]:
        return QUOTE, self._close

    def _mark(self, mark: str) -> str:
        if mark in _CLOSES:
            self._due.append(_CLOSES[mark])
        elif mark in "}]":
            self._due.pop()
            self.ended = not self._due
        self._at_key = mark in "{," and self._due[-1:] == ["}"]
        return f"{mark} " if mark in ",:" else mark


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _bare(word: str, *, key: bool) -> str:
    if not key:
        if word == "None":
            return "null"
        if is_json(word):
            return word
    return json.dumps(word, ensure_ascii=False)
