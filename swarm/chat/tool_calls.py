"""Tool calls in a completion, found while it streams: one format, no repair.

The format is `<tool_call>{"name": "...", "arguments": {...}}</tool_call>`. What is not
exactly that stays text, character by character. Knows no tools and no schemas.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from swarm.chat.marks import partial_mark

OPEN = "<tool_call>"
CLOSE = "</tool_call>"

_OUTSIDE_STRING = re.compile(f'"|{CLOSE}')
_INSIDE_STRING = re.compile(r'"|\\')


@dataclass(frozen=True, slots=True)
class Call:
    """A call that parsed; `arguments` is the JSON text of an object."""

    name: str
    arguments: str


Piece: TypeAlias = str | Call


def parse_call(body: str) -> Call | None:
    """The call between the marks, or None if it is not one JSON object of the format."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
        if not isinstance(value, dict):
            return None
        fields = cast(dict[str, Any], value)
        name, arguments = fields.get("name"), fields.get("arguments")
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            return None
        return Call(name, json.dumps(arguments, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError):
        return None


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


class CallParser:
    """Splits a growing text into text and calls; the result does not depend on the chunking.

    Whitespace between text and a call, and between calls, is dropped. Text is handed out as
    soon as it cannot be part of a call; a call is handed out whole.
    """

    def __init__(self) -> None:
        self._held = ""
        self._gap = ""
        self._body: list[str] = []
        self._inside = False
        self._in_string = False
        self._after_call = False

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call."""
        return self._inside

    def feed(self, text: str) -> list[Piece]:
        """The pieces that `text` completes, in order."""
        if not self._inside and not self._held and not self._after_call and _is_plain(text):
            return [text]
        pieces: list[Piece] = []
        data = self._held + text
        self._held = ""
        while data:
            data = self._read_call(data, pieces) if self._inside else self._read_text(data, pieces)
        return pieces

    def finish(self) -> list[Piece]:
        """What was held back. A call that lacks only its closing mark is still a call."""
        if not self._inside:
            rest, self._held = self._held, ""
            return self._as_text(rest)
        body = "".join(self._body) + self._held
        gap = self._gap
        self._forget_call()
        self._held = ""
        call = parse_call(body)
        return [call] if call else self._as_text(gap + OPEN + body)

    def _read_text(self, data: str, pieces: list[Piece]) -> str:
        """Consume up to a call's opening mark; returns what is left to read."""
        at = data.find(OPEN)
        if at < 0:
            keep = len(data) - partial_mark(data, OPEN)
            keep = len(data[:keep].rstrip())
            pieces += self._as_text(data[:keep])
            self._held = data[keep:]
            return ""
        before = data[:at]
        text = before.rstrip()
        pieces += self._as_text(text)
        self._gap = before[len(text) :]
        self._inside = True
        return data[at + len(OPEN) :]

    def _read_call(self, data: str, pieces: list[Piece]) -> str:
        """Consume up to a call's closing mark outside a JSON string; returns the rest."""
        at = 0
        while True:
            found = (_INSIDE_STRING if self._in_string else _OUTSIDE_STRING).search(data, at)
            if found is None:
                tail = 0 if self._in_string else len(CLOSE) - 1
                return self._hold_call(data, max(at, len(data) - tail))
            if found.group() == "\\":
                if found.end() == len(data):
                    return self._hold_call(data, found.start())
                at = found.end() + 1
            elif found.group() == '"':
                self._in_string = not self._in_string
                at = found.end()
            else:
                self._body.append(data[: found.start()])
                self._end_call(pieces)
                return data[found.end() :]

    def _hold_call(self, data: str, scanned: int) -> str:
        self._body.append(data[:scanned])
        self._held = data[scanned:]
        return ""

    def _end_call(self, pieces: list[Piece]) -> None:
        body, gap = "".join(self._body), self._gap
        self._forget_call()
        call = parse_call(body)
        if call is None:
            pieces += self._as_text(gap + OPEN + body + CLOSE)
            return
        self._after_call = True
        pieces.append(call)

    def _forget_call(self) -> None:
        self._body = []
        self._gap = ""
        self._inside = self._in_string = False

    def _as_text(self, text: str) -> list[Piece]:
        if self._after_call:
            text = text.lstrip()
        if not text:
            return []
        self._after_call = False
        return [text]


def _is_plain(text: str) -> bool:
    return bool(text) and "<" not in text and not text[-1].isspace()
