"""Whether a text has what a pattern of a JSON schema asks for, in bounded time.

A pattern is read as the grammars read it, in time that grows with the text alone. What they do not
read, such as look-around, is tried by going back and forth until the time is over.
"""

import json
import re
import time
from functools import lru_cache

import regex
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from pattern_size import MOST_PARTS, is_bounded
from swarm.chat.recalled import recalled
from swarm.errors import InvalidRequest
from swarm.lark import json_rule

CHECK_S = 0.25
"""What all patterns of one check may take of this thread, whatever else the machine does."""

_END = 256
_CLOSE = [ord('"'), _END]
_LIMITS = LLParserLimits(max_lexer_states=2000)
"""A pattern has at most this many states: each takes one to two kB, and a pattern is kept for the
next check."""


class Search:
    """Looks for patterns in texts, all of them within one time."""

    def __init__(self, budget_s: float = CHECK_S) -> None:
        self._end = time.thread_time() + budget_s

    def __call__(self, pattern: str, text: str) -> bool:
        """Whether the text has it. Raises TimeoutError, and InvalidRequest for what is none."""
        self._left_s()
        automaton = _automaton(pattern)
        found = automaton.found(text) if automaton and "\0" not in text else None
        if found is not None:
            return found
        tried = _tried(pattern)
        if tried is None:
            raise InvalidRequest(f"the pattern {pattern!r} of its schema cannot be read")
        return tried.search(text, timeout=self._left_s()) is not None

    def _left_s(self) -> float:
        left_s = self._end - time.thread_time()
        if left_s <= 0:
            raise TimeoutError
        return left_s


def readable(pattern: object) -> bool:
    """Whether a text is a pattern that can be looked for. Raises InvalidRequest as `_tried`."""
    if not isinstance(pattern, str):
        return True
    return _automaton(pattern) is not None or _tried(pattern) is not None


class _Bytes:
    """A vocabulary of single bytes, by llguidance's names."""

    tokens = (*(bytes([value]) for value in range(_END)), b"<end>")
    special_token_ids = (_END,)
    eos_token_id = _END
    bos_token_id = None

    def __call__(self, raw: bytes) -> list[int]:
        return list(raw)


class _Automaton:
    """A pattern as a grammar."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher: LLMatcher | None = matcher

    def found(self, text: str) -> bool | None:
        """Whether the text has it; None once the grammar has become too large to tell."""
        if self._matcher is None:
            return None
        matcher = self._matcher.deep_copy()
        opened = list(_written(text)[:-1])  # what closes it is the dear part, and needs no copy
        count = matcher.try_consume_tokens(opened)
        # copies share what they have worked out: after one that broke off they read nothing at all
        if matcher.is_error() or not count:
            self._matcher = None
            return None
        return count == len(opened) and matcher.validate_tokens(_CLOSE) == len(_CLOSE)


def _written(text: str) -> bytes:
    """The JSON string as the grammar spells it; half a surrogate pair isn't a character there."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", r"\u007f").encode()


@lru_cache(maxsize=1)
def _vocabulary() -> LLTokenizer:
    return LLTokenizer(TokenizerWrapper(_Bytes()), slices=[])


@recalled(128)
def _automaton(pattern: str) -> _Automaton | None:
    rule = json_rule("start", {"type": "string", "pattern": pattern})
    matcher = LLMatcher(_vocabulary(), rule + "\n", log_level=0, limits=_LIMITS)
    return None if matcher.is_error() else _Automaton(matcher)


@lru_cache(maxsize=64)
def _tried(pattern: str) -> "regex.Pattern[str] | None":
    """Raises InvalidRequest where it is too large: to read it is given no time."""
    said = _PIECE.sub(_in_python, pattern)
    if not is_bounded(said):
        raise InvalidRequest(
            f"the pattern {pattern[:200]!r} has more than {MOST_PARTS} parts once its counts are "
            "written out; use smaller ones"
        )
    try:
        return regex.compile(said, cache_pattern=False)
    except (regex.error, ValueError, OverflowError, RecursionError):
        return None


_ESCAPE = r"\\u\{[0-9A-Fa-f]{1,6}\}|\\c[A-Za-z]|\\."
_PIECE = re.compile(rf"{_ESCAPE}|\[(?:\\.|[^\]\\])*(?:\]|\\?\Z)|\$", re.DOTALL)
_ESCAPES = re.compile(_ESCAPE, re.DOTALL)
_OUTSIDE = {
    "$": r"\Z",
    "[]": "(?!)",
    "[^]": r"[\s\S]",
    r"\d": "[0-9]",
    r"\D": "[^0-9]",
    r"\w": "[A-Za-z0-9_]",
    r"\W": "[^A-Za-z0-9_]",
}
_INSIDE = {r"\d": "0-9", r"\w": "A-Za-z0-9_"}


def _in_python(piece: re.Match[str]) -> str:
    """What ECMA-262, whose patterns those of JSON Schema are, writes in another way."""
    said = piece[0]
    if said in _OUTSIDE:
        return _OUTSIDE[said]
    if said.startswith("["):
        return _ESCAPES.sub(lambda escape: _INSIDE.get(escape[0]) or _code(escape[0]), said)
    return _code(said)


def _code(escape: str) -> str:
    """A character that is named by its number or its control key."""
    if escape.startswith(r"\u{"):
        return rf"\U{int(escape[3:-1], 16):08x}"
    if escape.startswith(r"\c"):
        return rf"\x{ord(escape[2]) % 32:02x}"
    return escape
