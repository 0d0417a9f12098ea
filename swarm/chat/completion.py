"""A completion as it streams, told apart into reasoning, text and tool calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from swarm.chat.calls import Arguments, Call, is_json
from swarm.chat.formats.format import Parser, Part
from swarm.chat.held import HeldCalls
from swarm.chat.json_end import unfinished
from swarm.chat.reasoning import Part as Apart
from swarm.chat.reasoning import Reasoning, ReasoningSplitter
from swarm.types import FinishReason


@dataclass(frozen=True, slots=True)
class Text:
    """Words for the user."""

    text: str


Piece: TypeAlias = Text | Reasoning | Call | Arguments
"""A piece of a completion; arguments belong to the last call."""


class CompletionParser:
    """Turns text of one sequence into pieces. `calls` finds the calls; None: there are none.

    `reasoning_opened`: the prompt ends inside reasoning. `own_reasoning`: `calls` finds the
    reasoning too. `one_call`: what follows the first call is dropped. `held` keeps calls back
    until they are known to be right. `beside`: there were calls that the engine itself tells apart.
    """

    def __init__(
        self,
        calls: Parser | None,
        *,
        reasoning_opened: bool = False,
        own_reasoning: bool = False,
        one_call: bool = False,
        held: HeldCalls | None = None,
    ) -> None:
        self._splitter = None if own_reasoning else ReasoningSplitter(opened=reasoning_opened)
        self._calls = calls
        self._one_call = one_call
        self._held = held
        self._begun = 0
        self._through = False
        self.beside = False
        self._told_cut = False
        self._arguments: list[str] = []  # those of the last call
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
        return self._begun > 0 or (self._calls is not None and self._calls.inside)

    @property
    def flaw(self) -> str | None:
        """What is wrong with a call that was held back: it is text now, or a call none the less."""
        return self._held.flaw if self._held else None

    def feed(self, text: str, reasoning: str = "", calls: Sequence[Call] = ()) -> list[Piece]:
        """The pieces that `text` completes, in order; before it `reasoning`, behind it `calls` that
        the engine itself tells apart."""
        pieces = self._read(text, reasoning)
        if calls:
            self.beside = True
            self._told_cut = unfinished(calls[-1].arguments)
            pieces += self._apart(self._splitter.finish()) if self._splitter else []
            pieces += self._passed(calls, beside=True)
        return pieces

    def _read(self, text: str, reasoning: str) -> list[Piece]:
        if self._splitter is None:
            before: list[Piece] = [Reasoning(reasoning)] if reasoning else []
            return before + self._answer(text)
        parts = self._splitter.reason(reasoning) if reasoning else []
        return self._apart([*parts, *self._splitter.feed(text)])

    def finish(self, reason: FinishReason) -> tuple[list[Piece], FinishReason]:
        """What was held back, and why the answer ended, as a client is told: a stop string can
        stand in a call, and has cut it as a bound on its length would have. Call once, at the end.
        """
        within = self._told_cut or (self._calls is not None and self._calls.inside)
        pieces = self._apart(self._splitter.finish()) if self._splitter else []
        parts = self._kept(self._calls.finish()) if self._calls else []
        if self._held:
            passed = self._held.feed(parts)
            parts = [*passed, *(self._held.cut() if within else self._held.finish())]
        pieces += self._pieces(parts)
        if reason != "stop" or not self.calls_seen:
            return pieces, reason
        cut = within and not is_json("".join(self._arguments))
        return pieces, "length" if cut else "tool_calls"

    def _apart(self, parts: Sequence[Apart]) -> list[Piece]:
        pieces: list[Piece] = []
        for kind, part in parts:
            pieces += [Reasoning(part)] if kind == "reasoning" else self._answer(part)
        return pieces

    def _answer(self, text: str) -> list[Piece]:
        if self._calls is None:
            return [Text(text)]
        return self._passed(self._calls.feed(text))

    def _passed(self, parts: Sequence[Part], *, beside: bool = False) -> list[Piece]:
        kept = self._kept(parts)
        return self._pieces(self._held.feed(kept, beside=beside) if self._held else kept)

    def _kept(self, parts: Sequence[Part]) -> list[Part]:
        """All but what follows the first call, where one is all that is wanted."""
        kept: list[Part] = []
        for part in parts:
            if self._one_call and self._begun and not isinstance(part, Arguments):
                self._through = True
            if self._through:
                break
            self._begun += isinstance(part, Call)
            kept.append(part)
        return kept

    def _pieces(self, parts: Sequence[Part]) -> list[Piece]:
        for part in parts:
            if isinstance(part, Call):
                self.calls_seen += 1
                self._arguments = [part.arguments]
            elif isinstance(part, Arguments):
                self._arguments.append(part.text)
        return [Text(part) if isinstance(part, str) else part for part in parts]
