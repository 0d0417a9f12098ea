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

_IN_MARKS = re.compile(
    rf"{_BOXED}|<answer>((?:(?!<answer>).)+?)</answer>", re.IGNORECASE | re.DOTALL
)
_FENCE = re.compile(r"(`{3,}|~{3,})[^`]*$")
_BEFORE = re.compile(
    r"(?m)^[ \t>*_#]*(?P<final>final )?answer[ \t*_]*(?::|=|is\b)(?=([^\n]*)(?:\n([^\n]*))?)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?m)(?:(?:^[ \t>*_#]*|[.!?][*_\"')]* )(?:(?:so|therefore|thus|hence),? )?(?:the )?"
    r"(?:(?:correct|right|(?P<final>final)) )?answer[ *_]*(?::|=|is\b)"
    r"|^[ \t>*_#]*(?:antwort|respuesta|r\u00e9ponse|risposta|resposta|\u7b54\u6848)[\s*_]*[:\uff1a]"
    r"|^####(?= [-+$]?[\d.,]*\d%?$))(?=([^\n]{1,120}$)())",
    re.IGNORECASE,
)
"""What marks an answer in a text's last line; elsewhere it may be said of something else."""

_AGAIN = re.compile(
    r"^(?:the )?(?:(?:correct|right|final) )?answer is |(?<=\.) i hope it is correct\.?$",
    re.IGNORECASE,
)
_LIST_ITEM = re.compile(r"(?:[-*+]|\d+[.)])\s")
_PAIRS = (
    *((mark, mark) for mark in ("**", "*", "$$", "$", '"', "'")),
    ("\\(", "\\)"),
    ("\\[", "\\]"),
    ("(", ")"),
)
_LAYERS = 8
"""At most this many pairs around an answer are taken off."""

_END = re.compile(r"(?:(?<=[\w)\]}%'\"`*$])[.,;:]+|(?<=[^\W\d_]{2}) ?[!?][!?.]*)$")
"""What ends a sentence, and not `5!`, `cd ..` or `git add .`."""

_TYPED = str.maketrans(
    {chr(wide): chr(wide - 0xFEE0) for wide in range(0xFF01, 0xFF5F)}
    | dict.fromkeys("\u2018\u2019\u201a\u2039\u203a", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u00ab\u00bb", '"')
    | {"\u2212": "-", "\u3002": "."}
)
"""What a keyboard has for what is typeset. Sign by sign: NFKC would make 2\u00b2 the number 22."""

_PART = r"(?:\{(-?(?:\d+|[a-z]))\}|(\d))"
_TEX = (
    (re.compile(r"\\(?:text|mathrm|(?:text|math)bf)\{([^{}]*)\}"), r"\1"),
    (re.compile(rf"\\[dt]?frac ?{_PART}{_PART}(?!\w)", re.IGNORECASE), r"\1\2/\3\4"),
    (re.compile(r"(?<=\d)\{,\}(?=\d)"), ","),
    (re.compile(r"\\(?:(?=\$\d)|(?<=\d\\)(?=%)|(?:left|right)(?=[()\[\]|])|displaystyle\b)"), ""),
    (re.compile(r"\\,"), " "),
)
_EMPHASIS = re.compile(r"(?<![\w*`])(\*\*?)(?=[\w(\"'$+-])([^*]*)(?<=\S)\1(?![\w*`])")
_TICKS = re.compile(r"(?<![\w`])`([^`]+)`(?![\w`])")
_PERCENT = re.compile(r"(?<=\d) (?=%)")
_LETTER = re.compile(r"(?<= is )\((\w)\)$")

_FIRST = re.compile(r"^(?:\$(?=\.?\d)|\((?=\w\) ))")
_OPTION = re.compile(r"--?[a-z]", re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.])[+-]?(?!0\d{3})(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
    r"(?!\w|\.\d)"  # 3.10.0 is not a number, nor is the postal code 02139
)


def plain(text: str) -> str:
    """NFC, as a keyboard has it, case folded but for options, no mark-up, numbers by value."""
    typed = " ".join(unicodedata.normalize("NFC", text).translate(_TYPED).split())
    bare = _inside(_END.sub("", typed), "`", "`") or _undressed(typed)
    folded = " ".join(word if _OPTION.match(word) else word.casefold() for word in bare.split(" "))
    return _NUMBER.sub(lambda match: by_value(match.group()), folded)


def _undressed(text: str) -> str:
    """Without LaTeX's words for what is typed otherwise, and without marks, around it or within."""
    if "\\" in text or "{,}" in text:
        for written, meant in _TEX:
            text = written.sub(meant, text)
        text = " ".join(text.split())
    bare = _LETTER.sub(r"\1", _TICKS.sub(r"\1", _bare(_EMPHASIS.sub(r"\2", text))))
    return _PERCENT.sub("", bare)


def _bare(text: str) -> str:
    """Without what stands around all of it, pair by pair, and without what ends a sentence.

    What is in backticks stays as it is, for it may be code: `$name`, `*.py`.
    """
    for _ in range(_LAYERS):
        text = _END.sub("", text)
        inner = _inside(text, "`", "`")
        if inner:
            return inner
        inner = next(filter(None, (_inside(text, *pair) for pair in _PAIRS)), None)
        if inner is None:
            break
        text = inner
    return _FIRST.sub("", text)


def _inside(text: str, opening: str, closing: str) -> str | None:
    """What one pair of marks encloses; None where these are not a pair, or enclose nothing."""
    if not (text.startswith(opening) and text.endswith(closing)):
        return None
    inner = text[len(opening) : -len(closing)]
    if opening in inner or closing in inner or not any(map(str.isalnum, inner)):
        return None
    return inner.strip()


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
    """What is marked as the answer, plain: `Answer: ...`, `\\boxed{...}`, `<answer>...</answer>`.

    All that is marked, in its order, each once; only what is final where something is: a box, or
    what is called the final answer. None where a list or code follows a mark. In the last line a
    sentence is enough: `So the answer is 7.`, `#### 7`, `Antwort: 7`.
    """
    shown = _unfenced(text)
    found = [(m.start(), m.end(), True, _within(m)) for m in _IN_MARKS.finditer(shown)]
    boxes = iter([*found, (len(shown), len(shown), True, "")])
    box = next(boxes)
    closing = _CLOSING.search(shown, shown.rfind("\n") + 1)
    for mark in (*_BEFORE.finditer(shown), *([closing] if closing else ())):
        answer, end = _behind(mark)
        while box[1] <= mark.start():
            box = next(boxes)
        if box[0] >= end:  # what is in a box is the box's
            found.append((mark.start(), end, mark["final"] is not None, answer))
    answers = [answer for *_, final, answer in sorted(found) if final] or [
        answer for *_, answer in sorted(found)
    ]
    if not answers or "" in answers:
        return None
    return "\n".join(dict.fromkeys(map(plain, answers)))


def _within(mark: re.Match[str]) -> str:
    return next(part for part in mark.groups() if part is not None)


def _behind(mark: re.Match[str]) -> tuple[str, int]:
    """The answer on the line of its mark or on the next, and where it ends; "" for none."""
    line = mark.string.rfind("\n", 0, mark.end()) + 1
    for place in (2, 3):
        answer = _closed(mark.string[line : mark.end()], mark[place] or "")
        if answer:
            break
    leads = answer.rstrip("*_").endswith((":", "\uff1a")) or _FENCE.match(answer)
    listed = place == 3 and _LIST_ITEM.match(answer)
    said = re.search(r"[^\W_]", answer) and not (leads or listed)
    return _AGAIN.sub("", answer) if said else "", mark.end(place)


def _closed(before: str, line: str) -> str:
    """The line without the mark-up that was opened before it: `**Answer:** 42`."""
    for mark in ("**", "*", "_"):
        if before.count(mark) % 2:
            line = line.replace(mark, "", 1)
    return line.strip()


def _unfenced(text: str) -> str:
    """The lines that are not empty; of a fenced block only the fence, of one never closed all."""
    shown: list[str] = []
    inside: list[str] = []
    fence = ""
    for line in filter(str.strip, text.splitlines()):
        mark = line.strip()
        if fence:
            inside.append(line)
            if mark == fence:
                fence, inside = "", []
        else:
            shown.append(line)
            opening = _FENCE.match(mark)
            fence = opening[1] if opening else ""
    return "\n".join([*shown, *inside])
