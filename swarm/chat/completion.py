"""A completion as it streams, told apart into reasoning, text and tool calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from swarm.chat.formats.format import Parser, Part
from swarm.chat.reasoning import Reasoning, ReasoningSplitter
from swarm.chat.tool_calls import Arguments, Call


@dataclass(frozen=True, slots=True)
class Text:
    """Words for the user."""

    text: str


Piece: TypeAlias = Text | Reasoning | Call | Arguments
"""Arguments belong to the last call."""


class CompletionParser:
    """Turns text of one sequence into pieces. `calls` finds the calls; None: there are none.

    `reasoning_opened`: the prompt ends inside reasoning. `own_reasoning`: `calls` finds the
    reasoning too. `one_call`: what follows the first call is dropped.
    """

    def __init__(
        self,
        calls: Parser | None,
        *,
        reasoning_opened: bool = False,
        own_reasoning: bool = False,
        one_call: bool = False,
    ) -> None:
        self._splitter = None if own_reasoning else ReasoningSplitter(opened=reasoning_opened)
        self._calls = calls
        self._one_call = one_call
        self._through = False
        self.calls_seen = 0

    @property
    def in_reasoning(self) -> bool:
        """Whether the next text will belong to the reasoning."""
        if self._splitter:
            return self._splitter.in_reasoning
        return self._calls is not None and self._calls.thinking

    @property
    def calls_begun(self) -> bool:
        """Whether a call is being written, or was."""
        return self.calls_seen > 0 or (self._calls is not None and self._calls.inside)

    def feed(self, text: str) -> list[Piece]:
        """The pieces that `text` completes, in order."""
        if self._splitter is None:
            return self._answer(text)
        pieces: list[Piece] = []
        for kind, part in self._splitter.feed(text):
            pieces += [Reasoning(part)] if kind == "reasoning" else self._answer(part)
        return pieces

    def finish(self) -> list[Piece]:
        """What was held back; call once, after the last text."""
        pieces: list[Piece] = []
        for kind, part in self._splitter.finish() if self._splitter else ():
            pieces += [Reasoning(part)] if kind == "reasoning" else self._answer(part)
        if self._calls:
            pieces += self._kept(self._calls.finish())
        return pieces

    def _answer(self, text: str) -> list[Piece]:
        if self._calls is None:
            return [Text(text)]
        return self._kept(self._calls.feed(text))

    def _kept(self, pieces: Sequence[Part]) -> list[Piece]:
        kept: list[Piece] = []
        for piece in pieces:
            if self._one_call and self.calls_seen and not isinstance(piece, Arguments):
                self._through = True
            if self._through:
                break
            if isinstance(piece, str):
                kept.append(Text(piece))
                continue
            self.calls_seen += isinstance(piece, Call)
            kept.append(piece)
        return kept
