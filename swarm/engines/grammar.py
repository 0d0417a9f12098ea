"""Which tokens a grammar lets a sequence write next. Knows no engine: tokens are bytes here."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from swarm.errors import InvalidRequest
from swarm.lark import literal, pattern
from swarm.types import Grammar

_UNTIL = re.compile(r"\buntil_(\d+)_(\d+)_(\d+|inf)\b")

Allowed: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"


class _Tokens:
    """What llguidance asks of a tokenizer, by its names."""

    def __init__(
        self,
        tokens: Sequence[bytes],
        control: Collection[int],
        end: int,
        tokenize: Callable[[bytes], list[int]],
    ) -> None:
        self.tokens = tokens
        self.special_token_ids = sorted(control)
        self.eos_token_id = end
        self.bos_token_id = None
        self._tokenize = tokenize

    def __call__(self, raw: bytes) -> list[int]:
        return self._tokenize(raw)


class Grammars:
    """Makes grammars ready for one vocabulary.

    `tokens` are the bytes of each token, `control` those that aren't text, `ends` those that end
    a generation: a grammar that may end here allows them all.
    """

    def __init__(
        self,
        tokens: Sequence[bytes],
        *,
        control: Collection[int],
        ends: Sequence[int],
        tokenize: Callable[[bytes], list[int]],
    ) -> None:
        self._size = len(tokens)
        self._end = ends[0]
        self._marks = {tokens[token].decode(errors="replace"): token for token in control}
        wrapper = TokenizerWrapper(_Tokens(tokens, control, ends[0], tokenize))
        self._tokenizer = LLTokenizer(wrapper, eos_token=list(ends))

    def ready(self, grammar: Grammar) -> "Bound":
        """A grammar at its beginning. Raises InvalidRequest where it is none."""
        rules = [self._mark(at, grammar.marks) for at in range(len(grammar.marks))]
        untils = sorted({found.groups() for found in _UNTIL.finditer(grammar.lark)})
        rules += [self._until(grammar.marks[int(at)], at, low, high) for at, low, high in untils]
        text = "\n".join([grammar.lark, f"PLAIN: {_without(grammar.marks)}", *rules]) + "\n"
        matcher = LLMatcher(self._tokenizer, text, log_level=0)
        if matcher.is_error():
            reason = matcher.get_error().partition("\n")[0]
            raise InvalidRequest(f"what the answer should be cannot be enforced: {reason}")
        return Bound(matcher, size=self._size, end=self._end)

    def shown(self, grammar: Grammar) -> frozenset[int]:
        """The control tokens that are shown: the marks of the grammar."""
        return frozenset(self._marks[mark] for mark in grammar.marks if mark in self._marks)

    def _mark(self, at: int, marks: Sequence[str]) -> str:
        """The rules of one mark: see Grammar. A lexer takes the longest match, hence `lazy`."""
        mark = marks[at]
        token = self._marks.get(mark)
        if token is not None:
            return f"mark_{at}: <[{token}]>\nupto_{at}: PLAIN <[{token}]>"
        return (
            f"mark_{at}: {literal(mark)}\n"
            f"UPTO_{at}: /(?s:.*){pattern(mark)}/ & {_without([*marks[:at], *marks[at + 1 :]])}\n"
            f"upto_{at}[lazy]: UPTO_{at}"
        )

    def _until(self, mark: str, at: str, low: str, high: str) -> str:
        """The rules of a text that only this mark ends: see Grammar."""
        name, end = f"until_{at}_{low}_{high}", pattern(mark)
        length = f"(?s:.){{{low},{high.removeprefix('inf')}}}"
        token = self._marks.get(mark)
        if token is not None:
            text = f"{name.upper()}: /{length}/ & ~/(?s:.*){end}(?s:.*)/"
            return f"{text}\n{name}: {name.upper()} <[{token}]>"
        text = f"{name.upper()}: /{length}{end}/ & ~/(?s:.*){end}(?s:.+)/"
        return f"{text}\n{name}[lazy]: {name.upper()}"


class Bound:
    """One sequence's place in its grammar."""

    def __init__(self, matcher: LLMatcher, *, size: int, end: int) -> None:
        self._matcher = matcher
        self._size = size
        self._end = end
        self._words = np.zeros((size + 31) // 32, np.uint32)

    def copy(self) -> "Bound":
        """The same place for another sequence."""
        return Bound(self._matcher.deep_copy(), size=self._size, end=self._end)

    @property
    def only_end(self) -> int | None:
        """The token that ends the generation, if nothing else may follow."""
        return self._end if self._matcher.is_stopped() else None

    @property
    def lost(self) -> bool:
        """Whether the grammar has become too large to go on with; nothing is allowed then."""
        return self._matcher.is_error()

    def allowed(self) -> Allowed:
        """Which tokens may come next, shape (vocabulary,)."""
        self._matcher.unsafe_compute_mask_ptr(self._words.ctypes.data, self._words.nbytes)
        bits = np.unpackbits(self._words.view(np.uint8), count=self._size, bitorder="little")
        return bits.view(np.bool_)

    def accept(self, token: int) -> None:
        """This token was written."""
        self._matcher.consume_token(token)


def _without(marks: Sequence[str]) -> str:
    """A text in which none of these marks is spelled out."""
    if not marks:
        return "BEGIN"
    return f"BEGIN & ~/(?s:.*)({'|'.join(map(pattern, marks))})(?s:.*)/"
