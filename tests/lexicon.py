"""A vocabulary of single bytes and a few marks: what a grammar lets through, text by text."""

from collections.abc import Sequence

from swarm.engines.grammar import Grammars
from swarm.types import Grammar

END = 256


class Lexicon:
    """Reads texts as a sequence would write them; `control` marks are tokens of their own."""

    def __init__(self, control: Sequence[str] = ()) -> None:
        self._control = list(control)
        tokens = [bytes([value]) for value in range(256)] + [b"<end>"]
        tokens += [mark.encode() for mark in control]
        special = range(END, len(tokens))
        self._grammars = Grammars(tokens, control=special, ends=[END], tokenize=list)

    def written(self, text: str) -> list[int]:
        """The text's tokens."""
        for at, mark in enumerate(self._control):
            if mark in text:
                before, after = text.split(mark, 1)
                return [*self.written(before), END + 1 + at, *self.written(after)]
        return list(text.encode())

    def read(self, grammar: Grammar, text: str) -> str:
        """ "whole" if the text may end here, "part" if it must go on, else where it is refused."""
        bound = self._grammars.ready(grammar)
        done = b""
        for token in self.written(text):
            if bound.only_end is not None or not bound.allowed()[token]:
                return f"not after {done[-40:].decode(errors='replace')!r}"
            bound.accept(token)
            done += bytes([token]) if token < END else b"*"
        return "whole" if bound.only_end is not None or bound.allowed()[END] else "part"
