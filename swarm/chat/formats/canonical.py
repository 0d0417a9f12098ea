"""`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`: Hermes, Qwen 2.5 and 3, our own.

What never gets as far as its arguments stays text, character by character. Knows no schemas.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

from swarm.chat.calls import HEAD_CHARACTERS, Arguments, Call, strict_json, string_of
from swarm.chat.formats.format import Format, Spelling
from swarm.chat.json_end import ObjectEnd, Outside
from swarm.chat.marks import partial_mark
from swarm.lark import any_of, json_rule, literal
from swarm.types import ToolSpec

CALL_OPEN = "<tool_call>"
CALL_CLOSE = "</tool_call>"

_HEAD = ("{", '"name"', ":", "<name>", ",", '"arguments"', ":", "{")
_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BEHIND = re.compile(f"{CALL_CLOSE}|{CALL_OPEN}")

Piece: TypeAlias = str | Call | Arguments


def parse_call(body: str) -> Call | None:
    """The call between the marks, or None if it is not one JSON object of the format."""
    try:
        value = strict_json(body)
        if not isinstance(value, dict):
            return None
        fields = cast(dict[str, Any], value)
        name, arguments = fields.get("name"), fields.get("arguments")
        if not isinstance(name, str) or not name or not isinstance(arguments, dict):
            return None
        return Call(name, json.dumps(arguments, ensure_ascii=False, allow_nan=False))
    except (ValueError, RecursionError):
        return None


def call_text(name: str, arguments: str) -> str:
    """A call as text, in the format's words."""
    quoted = json.dumps(name, ensure_ascii=False)
    return f'{CALL_OPEN}{{"name": {quoted}, "arguments": {arguments}}}{CALL_CLOSE}'


def read_head(body: str) -> tuple[str, int] | Literal["more", "other"]:
    """A call's name and where its arguments begin, if `body` begins with the format's own head.

    "more": what follows may complete the head; "other": it is something else.
    """
    at, name, body = 0, "", body[:HEAD_CHARACTERS]
    for part in _HEAD:
        begin = _end(_SPACE.match(body, at))
        if part == "<name>":
            at = _end(_STRING.match(body, begin))
            if at:
                name = string_of(body[begin:at])
            fits, whole = bool(name) or not at, bool(at)
            fits = fits and body[begin : begin + 1] in ('"', "")
        else:
            at = begin + len(part)
            whole = body.startswith(part, begin)
            fits = part.startswith(body[begin:at])
        if not fits:
            return "other"
        if not whole:
            return "more" if len(body) < HEAD_CHARACTERS else "other"
    return name, at - 1


def _end(match: "re.Match[str] | None") -> int:
    return match.end() if match else 0


class CallParser:
    """Splits a growing text into text and calls; the result does not depend on the chunking.

    Whitespace between text and a call, and between calls, is dropped. Text is handed out as soon
    as it cannot be part of a call, a call as soon as its arguments begin; they are what stands up
    to their closing brace, or up to the mark or the end where there is none. What stands between
    that brace and the mark is dropped. A call whose fields come in another order waits for its end.
    """

    thinking = False  # this format marks no reasoning

    def __init__(self) -> None:
        self._held = ""
        self._gap = ""
        self._body: list[str] = []
        self._state: Literal["text", "head", "arguments", "behind", "other"] = "text"
        self._arguments = ObjectEnd(CALL_CLOSE)
        self._other = Outside(CALL_CLOSE)
        self._after_call = False

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call."""
        return self._state != "text"

    def feed(self, text: str) -> list[Piece]:
        """The pieces that `text` completes, in order."""
        if not self.inside and not self._held and not self._after_call and _is_plain(text):
            return [text]
        pieces: list[Piece] = []
        data = self._held + text
        self._held = ""
        while data:
            data = self._read(data, pieces)
        return pieces

    def finish(self) -> list[Piece]:
        """What was held back. A call that lacks only its closing mark is still a call."""
        state, rest = self._state, self._held
        body, gap = "".join(self._body) + rest, self._gap
        self._held = ""
        self._forget_call()
        if state in ("head", "other"):
            call = parse_call(body)
            return [call] if call else self._as_text(gap + CALL_OPEN + body)
        if state == "arguments":
            return [Arguments(rest)] if rest else []
        return self._as_text(rest) if state == "text" else []

    def _read(self, data: str, pieces: list[Piece]) -> str:
        """Consume some of the data; returns what is left to read."""
        match self._state:
            case "text":
                return self._read_text(data, pieces)
            case "head":
                return self._read_head(data, pieces)
            case "arguments":
                return self._read_arguments(data, pieces)
            case "behind":
                return self._read_behind(data)
            case "other":
                return self._read_other(data, pieces)

    def _read_text(self, data: str, pieces: list[Piece]) -> str:
        """Consume up to a call's opening mark."""
        at = data.find(CALL_OPEN)
        if at < 0:
            keep = len(data) - partial_mark(data, CALL_OPEN)
            keep = len(data[:keep].rstrip())
            pieces += self._as_text(data[:keep])
            self._held = data[keep:]
            return ""
        before = data[:at]
        text = before.rstrip()
        pieces += self._as_text(text)
        self._gap = before[len(text) :]
        self._state = "head"
        return data[at + len(CALL_OPEN) :]

    def _read_head(self, data: str, pieces: list[Piece]) -> str:
        """Consume the call up to its arguments, if it is written in the usual order."""
        head = read_head(data)
        if head == "more":
            self._held = data
            return ""
        if head == "other":
            self._state = "other"
            return data
        name, at = head
        self._forget_call()
        self._state, self._after_call = "arguments", True
        pieces.append(Call(name))
        return data[at:]

    def _read_arguments(self, data: str, pieces: list[Piece]) -> str:
        """Consume up to the arguments' closing brace, or the mark outside a string before it."""
        found = self._arguments.find(data)
        if found is None:
            keep = 0 if self._arguments.in_string else partial_mark(data, CALL_CLOSE)
            pieces += _some(data[: len(data) - keep])
            self._held = data[len(data) - keep :]
            return ""
        if found.group() == CALL_CLOSE:
            self._forget_call()
            pieces += _some(data[: found.start()])
        else:
            self._state = "behind"
            pieces += _some(data[: found.end()])
        return data[found.end() :]

    def _read_behind(self, data: str) -> str:
        """Consume what stands between the arguments and the closing mark, or the next call."""
        found = _BEHIND.search(data)
        if found is None:
            keep = max(partial_mark(data, CALL_CLOSE), partial_mark(data, CALL_OPEN))
            self._held = data[len(data) - keep :]
            return ""
        self._forget_call()
        return data[found.start() if found.group() == CALL_OPEN else found.end() :]

    def _read_other(self, data: str, pieces: list[Piece]) -> str:
        """Consume up to a call's closing mark outside a JSON string."""
        found = self._other.find(data)
        if found is None:
            keep = 0 if self._other.in_string else partial_mark(data, CALL_CLOSE)
            self._body.append(data[: len(data) - keep])
            self._held = data[len(data) - keep :]
            return ""
        self._body.append(data[: found.start()])
        self._end_other(pieces)
        return data[found.end() :]

    def _end_other(self, pieces: list[Piece]) -> None:
        body, gap = "".join(self._body), self._gap
        self._forget_call()
        call = parse_call(body)
        if call is None:
            pieces += self._as_text(gap + CALL_OPEN + body + CALL_CLOSE)
            return
        self._after_call = True
        pieces.append(call)

    def _forget_call(self) -> None:
        self._body = []
        self._gap = ""
        self._state = "text"
        self._arguments, self._other = ObjectEnd(CALL_CLOSE), Outside(CALL_CLOSE)

    def _as_text(self, text: str) -> list[Piece]:
        if self._after_call:
            text = text.lstrip()
        if not text:
            return []
        self._after_call = False
        return [text]


def _is_plain(text: str) -> bool:
    return bool(text) and "<" not in text and not text[-1].isspace()


def _some(text: str) -> list[Arguments]:
    return [Arguments(text)] if text else []


def _spelling(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    rules = (
        [f"body: SPACE? ({any_of('call', len(tools))}) SPACE? {literal(CALL_CLOSE)}"]
        if tools
        else []
    )
    for at, tool in enumerate(tools):
        head = f'{{"name": {json.dumps(tool.name, ensure_ascii=False)}, "arguments": '
        rules.append(f"call_{at}: {literal(head)} arguments_{at} SPACE? {literal('}')}")
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    more = "" if one_call else " (SPACE? mark_0 body)*"
    return Spelling(
        called=f"mark_0 body{more}",
        free=f"PLAIN | upto_0 body{more}",
        rules=tuple(rules),
        marks=(CALL_OPEN,),
    )


CANONICAL = Format("canonical", lambda _: CallParser(), _spelling, (CALL_OPEN, CALL_CLOSE))
