"""What every format of tool calls offers: a parser of growing text, and a grammar."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from swarm.chat.calls import Arguments, Call
from swarm.chat.reasoning import Reasoning
from swarm.types import ToolSpec

Part: TypeAlias = str | Call | Arguments | Reasoning
"""What a parser finds; plain text is for the user."""


class Parser(Protocol):
    """Splits a growing text into text and calls; the result does not depend on the chunking."""

    @property
    def inside(self) -> bool:
        """Whether the text so far ends within a call."""
        ...

    @property
    def thinking(self) -> bool:
        """Whether the next text belongs to reasoning that the format itself marks."""
        ...

    def feed(self, text: str) -> Sequence[Part]:
        """The parts that `text` completes, in order."""
        ...

    def finish(self) -> Sequence[Part]:
        """What was held back; call once, after the last text."""
        ...


class SteppedParser(ABC):
    """The `feed` of a parser that reads from mark to mark in what it holds."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> list[Part]:
        """The parts that `text` completes, in order."""
        self._held += text
        parts: list[Part] = []
        while self._advance(parts):
            pass
        return parts

    @abstractmethod
    def _advance(self, parts: list[Part]) -> bool:
        """Read up to one mark; False when more text is needed."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a format spells its completions, in Lark: see Grammar for what surrounds it.

    `called`: a call or several, at once; `free`: text, or calls, or text and then calls; `said`:
    text that is JSON of the rule `answer`. `rules` are the lines that these need. `call_begins`:
    a character with which no text may begin, for it begins a call.
    """

    called: str
    free: str
    rules: tuple[str, ...]
    marks: tuple[str, ...] = ()
    said: str = "answer SPACE?"
    call_begins: str | None = None


@dataclass(frozen=True, slots=True)
class Format:
    """One way of writing calls. `spelling` is given the tools, their schemas as a grammar takes
    them, and whether one call is all. `marks`: what the parser reads that a vocabulary may have as
    control tokens, of which an answer shows none unless its engine is asked to.

    `holds`: whether the spelling enforces as much of a tool's schema as the library could.
    `own_reasoning`: the format itself says what is reasoning, not the marks `<think>`; then it
    is spelled, and parsed, without tools too.
    """

    name: str
    parser: Callable[[Sequence[ToolSpec]], Parser]
    spelling: Callable[[Sequence[ToolSpec], bool], Spelling]
    marks: tuple[str, ...]
    holds: Callable[[ToolSpec], bool] = lambda _: True
    own_reasoning: bool = False
