"""What short answers are compared by: what is marked as the answer, without its dress."""

import re
import unicodedata
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation

_FLAT = r"[^{}]*"
_BRACES = rf"\{{{_FLAT}(?:\{{{_FLAT}\}}{_FLAT})*\}}"
_BOXED = rf"\\boxed\{{(?!\}})({_FLAT}(?:{_BRACES}{_FLAT})*)\}}"
"""A box with at most two levels of braces in it. No text fits it in two ways, so that one that is
never closed costs no more than its length.
"""

_MARKED = re.compile(
    r"(?:^|\n)[ \t>*_#]*(?:final answer|answer)[ \t*_]*(?::|=|is)[ \t*_]*(\S[^\n]*)"
    rf"|{_BOXED}|<answer>((?:(?!<answer>).)+?)</answer>",
    re.IGNORECASE | re.DOTALL,
)
_MARKS = " .,;:!?\"'`*_$\u2018\u2019\u201c\u201d()"
# a point before a word is part of it: .5, .gitignore
_AROUND = re.compile(rf"^(?:(?![.,]\w)[{_MARKS}])+|(?<![{_MARKS}])[{_MARKS}]+$")
_NUMBER = re.compile(
    r"(?<![\w.])[+-]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
    r"(?!\w|\.\d)"  # 3.10.0 is no number
)


def plain(text: str) -> str:
    """NFC, case folded, one space, no mark-up or punctuation around, numbers by value."""
    folded = unicodedata.normalize("NFC", text).casefold()
    joined = " ".join(folded.split())
    bare = _AROUND.sub("", joined) or joined
    return _NUMBER.sub(lambda match: by_value(match.group()), bare)


def by_value(written: str) -> str:
    """A number by its value, so that 1,000 and 1000.0 and 1e3 are the same; none is rounded."""
    try:
        number = Decimal(written.replace(",", ""))
    except InvalidOperation:
        return written
    if not number.is_finite():
        return written
    exact = Context(prec=len(written), Emin=MIN_EMIN, Emax=MAX_EMAX)
    number = number.normalize(exact) if number else Decimal(0)
    return format(number, "f" if abs(number.adjusted()) < 40 else "E")  # never 1e999999999 noughts


def final_answer(text: str) -> str | None:
    """The last marked final answer: `Answer: ...`, `\\boxed{...}` or `<answer>...</answer>`."""
    marked = list(_MARKED.finditer(text))
    return next(part for part in marked[-1].groups() if part is not None) if marked else None
