"""Gemma 4: `<|tool_call>call:name{...}<tool_call|>`, and reasoning in a channel of its own.

As https://ai.google.dev/gemma/docs/core/prompt-formatting-gemma4 describes it.
"""

import re
from collections.abc import Sequence
from typing import Literal

from swarm.chat.calls import HEAD_CHARACTERS, Arguments, Call
from swarm.chat.formats.bare_keys import QUOTE, BareObject
from swarm.chat.formats.bare_schema import Objects
from swarm.chat.formats.format import Format, Part, Spelling, SteppedParser
from swarm.chat.marks import partial_mark
from swarm.chat.reasoning import Reasoning
from swarm.lark import any_of, literal
from swarm.types import ToolSpec

THINK, ANSWER = "<|channel>", "<channel|>"
CALL, CALLED = "<|tool_call>", "<tool_call|>"
_MARKS = (THINK, ANSWER, CALL, CALLED, QUOTE)
_CHANNEL = re.compile(r"\s*(?:thought\b)?\s*")
_HEAD = re.compile(r"\s*call:\s*([^\s{<]+)\s*(?=\{)")
_BREAKS_HEAD = re.compile(r"\{|<")


class Gemma4Parser(SteppedParser):
    """Tells reasoning, text and calls apart; the result does not depend on the chunking.

    White space beside marks is dropped, as are marks that close nothing, which these models write
    now and then, and what stands behind the first call. What never comes to a name stays text.
    """

    def __init__(self) -> None:
        super().__init__()
        self._state: Literal["text", "channel", "thought", "head", "call"] = "text"
        self._gap = ""
        self._trim = False  # whether white space at the beginning of a text is dropped
        self._called = False
        self._object = BareObject(CALLED)

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call."""
        return self._state in ("head", "call")

    @property
    def thinking(self) -> bool:
        """Whether the next text belongs to the reasoning."""
        return self._state in ("channel", "thought")

    def finish(self) -> list[Part]:
        """What was held back; a call that did not end keeps arguments that aren't JSON."""
        rest, self._held = self._held, ""
        match self._state:
            case "text":
                return self._said(rest)
            case "channel":
                return []
            case "thought":
                return [Reasoning(rest.rstrip())] if rest.strip() else []
            case "head":
                return self._said(self._gap + CALL + rest)
            case "call":
                return [Arguments(left)] if (left := self._object.finish()) else []

    def _advance(self, parts: list[Part]) -> bool:
        match self._state:
            case "text":
                return self._read_text(parts)
            case "channel":
                return self._read_channel()
            case "thought":
                return self._read_thought(parts)
            case "head":
                return self._read_head(parts)
            case "call":
                return self._read_call(parts)

    def _read_text(self, parts: list[Part]) -> bool:
        data = self._held.lstrip() if self._trim else self._held
        found = [(at, mark) for mark in _MARKS[:4] if (at := data.find(mark)) >= 0]
        at, mark = min(found, default=(_before_partial(data, _MARKS[:4]), ""))
        text = data[:at].rstrip()
        self._trim = self._trim and not text
        self._gap = data[len(text) : at]
        self._held = data[at + len(mark) :] if mark else data[len(text) :]
        parts += self._said(text)
        self._trim = self._trim or mark == ANSWER
        if mark in (THINK, CALL):
            self._state = "channel" if mark == THINK else "head"
        return bool(found)

    def _said(self, text: str) -> list[Part]:
        return [text] if text and not self._called else []

    def _read_channel(self) -> bool:
        header = _CHANNEL.match(self._held)
        rest = self._held[header.end() :] if header else self._held
        if not rest or "thought".startswith(self._held.strip()):
            return False
        self._state, self._held = "thought", rest
        return True

    def _read_thought(self, parts: list[Part]) -> bool:
        before, found, after = self._held.partition(ANSWER)
        text = before if found else before[: _before_partial(before, (ANSWER,))]
        text = text.rstrip()
        parts += [Reasoning(text)] if text else []
        self._held = after if found else before[len(text) :]
        if found:
            self._state, self._trim = "text", True
        return bool(found)

    def _read_head(self, parts: list[Part]) -> bool:
        found = _HEAD.match(self._held, 0, HEAD_CHARACTERS)
        if found:
            self._state, self._called = "call", True
            self._held, self._object = self._held[found.end() :], BareObject(CALLED)
            parts.append(Call(found[1]))
            return True
        if len(self._held) < HEAD_CHARACTERS and not _BREAKS_HEAD.search(self._held):
            return False
        parts += self._said(self._gap + CALL)
        self._state, self._trim = "text", False
        return True

    def _read_call(self, parts: list[Part]) -> bool:
        arguments = self._object.feed(self._held)
        parts += [Arguments(arguments)] if arguments else []
        self._held = self._object.rest if self._object.ended else ""
        self._state = "text" if self._object.ended else "call"
        return self._object.ended


def _before_partial(data: str, marks: Sequence[str]) -> int:
    """Where an end of `data` begins that may become a mark."""
    return len(data) - max(partial_mark(data, mark) for mark in marks)


def _spelling(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:
    objects = Objects(_MARKS.index(QUOTE))
    rules = [f'body: "call:" ({any_of("call", len(tools))}) SPACE? mark_3'] if tools else []
    for at, tool in enumerate(tools):
        rules.append(f"call_{at}: {literal(tool.name)} {objects.of(tool.parameters)}")
    calls = "body" if one_call else "body (SPACE? mark_2 body)*"
    thinks = "(mark_0 upto_1)*"
    free = f"(PLAIN | upto_2 {calls})" if tools else "PLAIN"
    return Spelling(
        called=f"{thinks} mark_2 {calls}",
        free=f"(upto_0 upto_1)* {free}",
        rules=(*rules, *objects.rules),
        marks=_MARKS,
        said=f"{thinks} answer SPACE?",
    )


def _holds(tool: ToolSpec) -> bool:
    objects = Objects(_MARKS.index(QUOTE))
    objects.of(tool.parameters)
    return objects.whole


GEMMA4 = Format("gemma4", lambda _: Gemma4Parser(), _spelling, _MARKS, _holds, own_reasoning=True)
