"""Calls of a mark, a head that holds the name, and arguments as a JSON object: many formats."""

import re
from typing import Literal

from swarm.chat.calls import HEAD_CHARACTERS, Arguments, Call, string_of
from swarm.chat.formats.format import Part
from swarm.chat.json_end import ObjectEnd
from swarm.chat.marks import partial_mark

_BRACE = "{"


class MarkedParser:
    """Finds calls that begin with `mark`, in text before the first of them.

    `head` matches what follows the mark up to and with the arguments' opening brace; its group
    `name` is the name, or `json` the name as JSON. `again` is what a further call begins with.
    `at_once`: a completion that begins so is a call without its mark. What never comes to its
    arguments stays text; what stands between calls, and behind the last, is dropped. Where `again`
    is but a brace, what it began behind a call and is none is dropped too.
    """

    thinking = False  # these formats mark no reasoning

    def __init__(
        self, mark: str, head: "re.Pattern[str]", again: str, at_once: str | None = None
    ) -> None:
        self._mark, self._again, self._at_once = mark, again, at_once
        self._head = head
        self._state: Literal["start", "text", "head", "arguments", "behind"]
        self._state = "start" if at_once else "text"
        self._held = ""
        self._gap = ""
        self._opened = ""
        self._arguments = ObjectEnd()

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call, or behind one."""
        return self._state not in ("start", "text")

    def feed(self, text: str) -> list[Part]:
        """The parts that `text` completes, in order."""
        data, self._held = self._held + text, ""
        parts: list[Part] = []
        while data:
            match self._state:
                case "start":
                    data = self._read_start(data)
                case "text":
                    data = self._read_text(data, parts)
                case "head":
                    data = self._read_head(data, parts)
                case "arguments":
                    data = self._read_arguments(data, parts)
                case "behind":
                    data = self._read_behind(data)
        return parts

    def finish(self) -> list[Part]:
        """What was held back: text, or a call that never came to its arguments."""
        rest, self._held = self._held, ""
        if self._state == "head":
            rest = "" if self._opened == _BRACE else self._gap + self._opened + rest
        elif self._state == "behind":
            rest = ""
        if not rest:
            return []
        return [rest]

    def _read_start(self, data: str) -> str:
        stripped = data.lstrip()
        if not stripped:
            self._held = data
            return ""
        self._state = "text"
        if self._at_once and stripped.startswith(self._at_once):
            self._state, self._opened = "head", data[: len(data) - len(stripped)]
            return stripped
        return data

    def _read_text(self, data: str, parts: list[Part]) -> str:
        at = data.find(self._mark)
        if at < 0:
            keep = len(data[: len(data) - partial_mark(data, self._mark)].rstrip())
            parts += [data[:keep]] if keep else []
            self._held = data[keep:]
            return ""
        text = data[:at].rstrip()
        parts += [text] if text else []
        self._gap, self._opened, self._state = data[len(text) : at], self._mark, "head"
        return data[at + len(self._mark) :]

    def _read_head(self, data: str, parts: list[Part]) -> str:
        found = self._head.match(data, 0, HEAD_CHARACTERS)
        if found is None:
            if len(data) > HEAD_CHARACTERS:
                return self._give_up_head(data, parts)
            self._held = data
            return ""
        groups = found.groupdict()
        name = groups.get("name") or string_of(groups["json"])
        if not name:
            return self._give_up_head(data, parts)
        parts.append(Call(name))
        self._state, self._arguments = "arguments", ObjectEnd()
        return data[found.end() - 1 :]

    def _give_up_head(self, data: str, parts: list[Part]) -> str:
        if self._opened == _BRACE:
            self._state = "behind"
            return data
        before = self._gap + self._opened
        parts += [before] if before else []
        self._state = "text"
        return data

    def _read_arguments(self, data: str, parts: list[Part]) -> str:
        found = self._arguments.find(data)
        if found is None:
            parts.append(Arguments(data))
            return ""
        self._state = "behind"
        parts.append(Arguments(data[: found.end()]))
        return data[found.end() :]

    def _read_behind(self, data: str) -> str:
        at = data.find(self._again)
        if at < 0:
            self._held = data[len(data) - partial_mark(data, self._again) :]
            return ""
        self._gap, self._opened, self._state = "", self._again, "head"
        return data[at + len(self._again) :]
