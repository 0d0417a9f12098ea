"""Harmony (gpt-oss): messages in channels; reasoning is one of them, a call names its recipient."""

import re
from collections.abc import Sequence
from typing import Literal

from swarm.chat.calls import Arguments, Call
from swarm.chat.formats.format import Format, Part, Spelling
from swarm.chat.marks import partial_mark
from swarm.chat.reasoning import Reasoning
from swarm.lark import any_of, json_rule, literal
from swarm.types import ToolSpec

CHANNEL, MESSAGE, END = "<|channel|>", "<|message|>", "<|end|>"
START, CONSTRAIN = "<|start|>", "<|constrain|>"
CALL, RETURN = "<|call|>", "<|return|>"
_MARKS = (CHANNEL, MESSAGE, END, START, CONSTRAIN)
_ENDS = (END, CALL, RETURN, START)
_HEADER_END = re.compile(r"<\|(?:message|end|call|return)\|>|(?<!^)<\|start\|>")
_CALLED = re.compile(r"to=functions\.([^\s<]+)")
_ANALYSIS = re.compile(r"<\|channel\|>\s*analysis\b")
_OTHER = re.compile(r"\bto=(?!assistant\b|user\b)\S")
_ROLE_AND_CHANNEL = re.compile(r"\A(?:<\|start\|>\s*\w*)?(?:<\|channel\|>\s*\w+)?")


class HarmonyParser:
    """Reads messages of `<|channel|>...<|message|>...<|end|>`, the prompt having begun the first.

    What is in no channel is text. A message to somebody who is neither the user nor a function,
    as to a tool that nobody offered, counts as reasoning. A message that lacks its mark is what
    stands behind the channel's name.
    """

    def __init__(self) -> None:
        self._held = ""
        self._state: Literal["header", "body"] = "header"
        self._kind: Literal["text", "reasoning", "call"] = "text"

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call."""
        return self._state == "body" and self._kind == "call"

    @property
    def thinking(self) -> bool:
        """Whether the next text belongs to the analysis."""
        return self._state == "body" and self._kind == "reasoning"

    def feed(self, text: str) -> list[Part]:
        """The parts that `text` completes, in order."""
        data, self._held = self._held + text, ""
        parts: list[Part] = []
        while data:
            if self._state == "header":
                data = self._read_header(data, parts)
            else:
                data = self._read_body(data, parts)
        return parts

    def finish(self) -> list[Part]:
        """What was held back; a header alone says nothing, unless it is plain text."""
        rest, self._held = self._held, ""
        if self._state == "body":
            return self._said(rest)
        return [rest] if rest and CHANNEL not in rest and START not in rest else []

    def _read_header(self, data: str, parts: list[Part]) -> str:
        found = _HEADER_END.search(data)
        if found is None:
            self._held = data
            return ""
        header, rest = data[: found.start()], data[found.end() :]
        called = _CALLED.search(header)
        if found.group() == MESSAGE:
            self._state, self._kind = "body", "call" if called else _kind(header)
            parts += [Call(called[1])] if called else []
        else:
            self._kind = _kind(header)
            parts += [] if called else self._said(_ROLE_AND_CHANNEL.sub("", header).strip())
        return START + rest if found.group() == START else rest

    def _read_body(self, data: str, parts: list[Part]) -> str:
        ends = [(at, mark) for mark in _ENDS if (at := data.find(mark)) >= 0]
        if not ends:
            keep = len(data) - max(partial_mark(data, mark) for mark in _ENDS)
            parts += self._said(data[:keep])
            self._held = data[keep:]
            return ""
        at, mark = min(ends)
        parts += self._said(data[:at])
        self._state = "header"
        return data[at:] if mark == START else data[at + len(mark) :]

    def _said(self, text: str) -> list[Part]:
        if not text:
            return []
        if self._kind == "call":
            return [Arguments(text)]
        return [Reasoning(text)] if self._kind == "reasoning" else [text]


def _kind(header: str) -> Literal["text", "reasoning"]:
    return "reasoning" if _ANALYSIS.search(header) or _OTHER.search(header) else "text"


def _spelling(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:  # noqa: ARG001 - one ends it
    rules = [
        'thinks: mark_0 "analysis" mark_1 upto_2 mark_3 "assistant"',
        'tells: mark_0 "commentary" mark_1 upto_2 mark_3 "assistant"',
        'final: mark_0 "final" mark_1 PLAIN',
    ]
    called = f"mark_0 ({any_of('call', len(tools))})"
    for at, tool in enumerate(tools):
        head = literal(f"commentary to=functions.{tool.name} ")
        rules.append(f'call_{at}: {head} mark_4 "json" mark_1 arguments_{at}')
        rules.append(json_rule(f"arguments_{at}", tool.parameters))
    before = "(thinks | tells)*" if tools else "thinks*"
    return Spelling(
        called=f"{before} {called}",
        free=f"{before} (final | {called})" if tools else f"{before} final",
        rules=tuple(rules),
        marks=_MARKS,
        said='thinks* mark_0 "final" mark_1 answer',
    )


HARMONY = Format("harmony", lambda _: HarmonyParser(), _spelling, _MARKS, own_reasoning=True)
