"""A candidate's canonical form: what it is compared by. Two equal forms are the same answer.

A form has three levels, and the vote goes down them: the kind of answer, its structure, its class.
"""

import ast
import json
import re
import unicodedata
import warnings
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeAlias, cast

from swarm.consensus.plain import by_value, final_answer, plain
from swarm.types import Candidate, ToolCall

Kind: TypeAlias = Literal["text", "tools", "refusal"]
Reading: TypeAlias = Literal["auto", "exact", "json", "code", "medoid"]
"""How a text is read; calls are always read as calls."""

ANSWER = ("answer",)
"""The structure of short and marked answers: equal or different, never only alike."""

SHORT_CHARACTERS = 120
"""A single line of at most this many characters is compared as a whole."""

_FENCE = re.compile(r"^```[ \t]*([\w+#.-]*)[^\n]*\n", re.MULTILINE)
_FENCE_END = re.compile(r"^```[ \t]*$", re.MULTILINE)
_CLAUSE = (
    r"\b(?:that|which|who|whose|what|because|since|so|if|whether|when|where|while|until|unless"
    r"|although|though)\b"
)
_REFUSAL = re.compile(
    r"\s*(?:i['\u2019]?m sorry|sorry|i apologi[sz]e|unfortunately)?[,.]?\s*(?:but )?"
    r"(?:i (?:can(?:['\u2019]t|not)|am unable to|am not able to|won['\u2019]t|must decline)"
    r"|i['\u2019]m (?:unable|not able) to)\b(?!\s+help (?:but|\w+ing)\b)"
    rf"(?P<what>(?:(?!{_CLAUSE})[^.:;\n]){{0,80}})"
    r"\b(?:help|assist(?:ance)?|do that|comply|provide|answer|continue|fulfill?)\b",
    re.IGNORECASE,
)
"""The opening of a refusal. What is refused stands in the same clause: in another one the verb is
somebody else's."""

_GOES_ON = re.compile(r"\b(?:but|however)\b|```|\d", re.IGNORECASE)
"""Signs that an answer follows a refusal's opening all the same."""

_EXCUSE_CHARACTERS = 300
"""A refusal goes on for at most this many characters behind its opening: a longer text is an answer
too, and the opening a disclaimer."""

_NOTE = re.compile(r"\[[\d\s.,eE+-]*\]")
_PYTHON = ("python", "py", "python3")
_DIRECTIVE = re.compile(r"(?m)^\s*#[a-z]")
"""A line that begins so is rather a directive of C's than a comment of Python's."""

_LANGUAGES = {
    "//": "c h cc cpp c++ hpp cs c# dart go java js javascript json json5 jsonc jsx kotlin kt objc"
    " php rs rust scala swift ts tsx typescript",
    "--": "haskell hs lua sql",
    "#(?!!)": "bash cmake dockerfile make makefile perl py python python3 r rb ruby sh shell toml"
    " yaml yml zsh",
}
_COMMENT_MARK = {name: mark for mark, names in _LANGUAGES.items() for name in names.split()}
"""What begins a comment, by language; elsewhere there are none."""

_C_LIKE = frozenset(_LANGUAGES["//"].split())
_BLOCK_COMMENTS = _C_LIKE | {"css", "less", "scss", "sql"}
_FREE = _C_LIKE | {"sql", "lua"}
"""Languages where layout means nothing, or nearly."""

_LINE_COMMENT = r"""(?<!\S){}(?:[^\n'"`]|(?<=\w)'(?=\w))*$"""
"""A comment at the beginning of a line or behind white space; one with a quote in it may be in a
string."""

_STRING = (
    r'"""[\s\S]*?(?:"""|\Z)'
    r"|'''[\s\S]*?(?:'''|\Z)"
    r"|`(?:\\[\s\S]|[^`\\])*(?:`|\Z)"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'(?:\\.|[^'\\\n])*'"
)
_HEREDOC = r"(?<!<)<<-?[ \t]*['\"\\]?(?P<end>\w+)\b(?:[\s\S]*?\n[ \t]*(?P=end)[ \t]*$|[\s\S]*)|"
_BLOCK_TEXT = (
    r"^(?P<indent>[ \t]*)(?![ \t])[^\n#]*[|>][-+\d]*[ \t]*\n"
    r"(?:(?P=indent)[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\n)*|"
)
_RAW = {
    name: text
    for text, names in {_HEREDOC: "bash sh shell zsh", _BLOCK_TEXT: "yaml yml"}.items()
    for name in names.split()
}
"""What is text to the last sign, by language: a `#` in it begins no comment."""

_WORD = r"/\*[\s\S]*|\w+|\+\+|--|[^\w\s]"


@dataclass(frozen=True, slots=True)
class Form:
    """What a candidate is compared by, level by level.

    `weak`: it counts only if no other candidate is whole (a truncated answer, JSON or code that
    does not parse). `alike`: within its structure answers are not expected to be equal, only
    similar.
    """

    kind: Kind
    structure: Hashable
    key: Hashable
    weak: bool = False
    alike: bool = False

    @property
    def strategy(self) -> str:
        """The name of how such answers are counted, which `auto` chooses by what came."""
        if self.kind == "tools":
            return "tools"
        if self.structure in (("json",), ("code",)):
            return "json" if self.structure == ("json",) else "code"
        return "medoid" if self.alike else "exact"


def form_of(
    candidate: Candidate,
    reading: Reading = "auto",
    *,
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> Form:
    """The canonical form. `defaults` are the tools' schemas, whose defaults are filled in."""
    weak = candidate.cut
    if candidate.tool_calls:
        calls = candidate.tool_calls
        names = tuple(call.name for call in calls)
        return Form("tools", names, tuple(_arguments(call, defaults or {}) for call in calls), weak)
    text = candidate.text.strip()
    if _refuses(text):
        return Form("refusal", "", "", weak)
    structure, key, broken = _read(text, reading)
    return Form("text", structure, key, weak or broken, alike=structure[0] == "long")


def _read(text: str, reading: Reading) -> tuple[tuple[Hashable, ...], Hashable, bool]:
    """Structure, key, and whether it is broken."""
    if reading == "json":
        value = canonical_json(text)
        return ("json",), text if value is None else value, value is None
    if reading == "exact":
        return ANSWER, final_answer(text) or plain(text), False
    value = _json(text) if reading == "auto" else None
    if value is not None:
        return ("json",), value, False
    code = only_code(text)
    if reading == "code" or (reading == "auto" and code is not None):
        key, broken = canonical_code(*(code or ("", text)))
        return ("code",), key, broken
    if reading == "auto":
        answer = final_answer(text)
        if answer is not None:
            return ANSWER, answer, False
        if len(text) <= SHORT_CHARACTERS and "\n" not in text:
            return ANSWER, plain(text), False
    return ("long", *shape(text)), unicodedata.normalize("NFC", text), False


def _json(text: str) -> str | None:
    """Canonical JSON where a text is nothing else; numbers in brackets alone are `[1]`, a note."""
    fenced = only_code(text)
    if fenced and fenced[0] not in ("", "json"):
        return None
    inside = (fenced[1] if fenced else text).lstrip()
    if not inside.startswith(("{", "[")) or (not fenced and _NOTE.fullmatch(text)):
        return None
    return canonical_json(text)


def _refuses(text: str) -> bool:
    opening = _REFUSAL.match(text)
    if opening is None or _GOES_ON.search(text, opening.start("what")):
        return False
    return len(text) - opening.end() <= _EXCUSE_CHARACTERS and final_answer(text) is None


def _fraction(written: str) -> Decimal | float:
    """By value; one whose exponent no Decimal holds is endless, or nothing."""
    try:
        return Decimal(written)
    except InvalidOperation:
        return float(written)


def canonical_json(text: str) -> str | None:
    """Sorted keys, numbers by value, no spaces; None if the text is not JSON, or far too deep."""
    fenced = only_code(text)
    try:
        return _dumped(json.loads(fenced[1] if fenced else text, parse_float=_fraction))
    except (ValueError, RecursionError):
        return None


def _dumped(value: object) -> str:
    return json.dumps(_by_value(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _by_value(value: object) -> object:
    """Numbers as tagged text, so that 1, 1.0 and 1e0 are equal and none equals a string."""
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        return {key: _by_value(item) for key, item in fields.items()}
    if isinstance(value, list):
        return [_by_value(item) for item in cast(list[object], value)]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return value
    return {"\0number": by_value(str(value))}


def _arguments(call: ToolCall, schemas: Mapping[str, Mapping[str, Any]]) -> str:
    """Canonical arguments with the schema's defaults; the text itself where it is not JSON, or far
    too deep.
    """
    try:
        value = json.loads(call.arguments, parse_float=_fraction)
        return _dumped(_filled(value, schemas.get(call.name, {})))
    except (ValueError, RecursionError):
        return call.arguments


def _filled(value: object, schema: Mapping[str, Any]) -> object:
    """The value with absent properties set to their schema's defaults, all the way down."""
    if isinstance(value, list):
        inner = _schema(schema.get("items"))
        return [_filled(item, inner) for item in cast(list[object], value)]
    if not isinstance(value, dict):
        return value
    fields = cast(dict[str, object], value)
    properties = _schema(schema.get("properties"))
    absent = {
        name: part["default"]
        for name in properties
        if name not in fields and "default" in (part := _schema(properties[name]))
    }
    given = {name: _filled(item, _schema(properties.get(name))) for name, item in fields.items()}
    return absent | given


def _schema(value: object) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def only_code(text: str) -> tuple[str, str] | None:
    """Language and content of the one fenced block that a text mostly consists of."""
    opening = _FENCE.search(text)
    closing = opening and _FENCE_END.search(text, opening.end())
    if not opening or not closing:
        return None
    another = _FENCE.search(text, closing.end())
    if another and _FENCE_END.search(text, another.end()):
        return None
    content = text[opening.end() : closing.start()]
    around = text[: opening.start()] + text[closing.end() :]
    return (opening[1].lower(), content) if len(content.strip()) >= len(around.strip()) else None


def canonical_code(language: str, code: str) -> tuple[str, bool]:
    """Code without comments and layout, and whether it fails to parse.

    Python by its syntax tree, docstrings left out; C and its kin by their words and marks; others
    keep their lines, for there the layout may mean something.
    """
    if language in _PYTHON or (not language and not _DIRECTIVE.search(code)):
        tree = _python(code)
        if tree is not None:
            return _told(tree) or _written(language, code), False
    return _written(language, code), language in _PYTHON


def _python(code: str) -> ast.Module | None:
    """The syntax tree without docstrings; None where there is none, or nothing in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another's code, on this node's terminal
            tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and len(node.body) > 1
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return tree if tree.body else None


def _told(tree: ast.Module) -> str | None:
    """The tree as text; None where it is too deep for that, or a number in it too long."""
    try:
        return ast.dump(tree)
    except (ValueError, RecursionError):
        return None


def _written(language: str, code: str) -> str:
    """Code as it is written, without comments where their mark is known; strings stay as they are.

    Where nothing but comments is left, the code itself.
    """
    mark = _COMMENT_MARK.get(language)
    comment = _LINE_COMMENT.format(mark) if mark else r"(?!)"
    if language in _BLOCK_COMMENTS:
        comment = rf"/\*[\s\S]*?\*/|{comment}"
    if language in _FREE:
        pieces = re.finditer(rf"(?m)(?P<comment>{comment})|{_STRING}|{_WORD}", code)
        return " ".join(p.group() for p in pieces if not p.group("comment")) or code
    bare = re.sub(
        rf"(?m)(?P<comment>{comment})|{_RAW.get(language, '')}{_STRING}",
        lambda found: "" if found.group("comment") else found.group(),
        code,
    )
    return "\n".join(line.rstrip() for line in bare.splitlines() if line.strip()) or code


def shape(text: str) -> tuple[int, int, int]:
    """A long text's rough structure: code blocks (2 for many), headings, list items (1 for any)."""
    blocks = text.count("\n```") // 2 + text.startswith("```")
    headings = len(re.findall(r"(?m)^#{1,6} ", text))
    items = len(re.findall(r"(?m)^[ \t]*(?:[-*+]|\d+[.)]) ", text))
    return min(blocks, 2), min(headings, 1), min(items, 1)
