"""Reasoning apart from the answer: a completion that begins with `<think>...</think>`.

An engine may also tell it apart itself. Works while the completion streams; the result does not
depend on the chunking.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from swarm.chat.marks import partial_mark

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"

Part: TypeAlias = tuple[Literal["reasoning", "answer"], str]


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Words of the model to itself."""

    text: str


class ReasoningSplitter:
    """Tells reasoning from answer. `opened`: the prompt itself ends with the opening mark."""

    def __init__(self, *, opened: bool) -> None:
        self._state: Literal["start", "reasoning", "gap", "answer"] = "start"
        self._held = ""
        self._trim = True
        if opened:
            self._state = "reasoning"

    @property
    def in_reasoning(self) -> bool:
        """Whether the next text will belong to the reasoning."""
        return self._state == "reasoning"

    def feed(self, text: str) -> list[Part]:
        """The parts that `text` completes, in order; whitespace beside the marks is dropped."""
        if self._state == "answer":
            return [("answer", text)] if text else []
        data, self._held = self._held + text, ""
        if self._state == "start":
            return self._read_start(data)
        if self._state == "reasoning":
            return self._read_reasoning(data)
        return self._read_gap(data)

    def reason(self, text: str) -> list[Part]:
        """The same for what an engine itself tells apart: it is reasoning wherever it comes."""
        held, self._held = self._held, ""
        parts: list[Part] = []
        if held.strip():
            parts = [("reasoning" if self._state == "reasoning" else "answer", held)]
        if self._state == "start":
            self._state = "answer" if parts else "gap"
        return parts + self._reasoning(text.lstrip() if self._trim else text)

    def finish(self) -> list[Part]:
        """What was held back; no mark is looked for in what may follow."""
        state, self._state = self._state, "answer"
        rest, self._held = self._held, ""
        if state == "reasoning":
            rest = rest.rstrip()
            return [("reasoning", rest)] if rest else []
        return [("answer", rest)] if rest and state != "gap" else []

    def _read_start(self, data: str) -> list[Part]:
        stripped = data.lstrip()
        if stripped.startswith(THINK_OPEN):
            self._state = "reasoning"
            return self._read_reasoning(stripped[len(THINK_OPEN) :])
        if THINK_OPEN.startswith(stripped):
            self._held = data
            return []
        self._state = "answer"
        return [("answer", data)]

    def _read_reasoning(self, data: str) -> list[Part]:
        if self._trim:
            data = data.lstrip()
        at = data.find(THINK_CLOSE)
        if at < 0:
            keep = len(data[: len(data) - partial_mark(data, THINK_CLOSE)].rstrip())
            self._held = data[keep:]
            return self._reasoning(data[:keep])
        self._state = "gap"
        return self._reasoning(data[:at].rstrip()) + self._read_gap(data[at + len(THINK_CLOSE) :])

    def _reasoning(self, text: str) -> list[Part]:
        if not text:
            return []
        self._trim = False
        return [("reasoning", text)]

    def _read_gap(self, data: str) -> list[Part]:
        data = data.lstrip()
        if not data:
            return []
        self._state = "answer"
        return [("answer", data)]
