"""Small pieces of grammars in llguidance's dialect of Lark."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from swarm.json_schema import changed, with_known_drafts, without_idle_words

SPACE = r"SPACE: /[ \n\t\r]{1,20}/"
"""White space around calls: bounded, for a model may find no end to it."""

_OPTIONS = {"whitespace_pattern": r"[ \n\t\r]{1,20}", "lenient": True}
"""How llguidance reads a schema: words that it cannot enforce are left to a check afterwards."""

_PIECE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
"""An escape or a class of a pattern."""

_FROM_NUL = re.compile(r"\\(?:x00|u0000|u\{0+\}|0)-")


def literal(text: str) -> str:
    """A text as Lark writes it, whose own reader stops at a DEL that stands as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")


def pattern(text: str) -> str:
    """A regular expression, for between slashes, that is exactly this text."""
    return re.sub(r"[^\w]", lambda match: f"\\x{{{ord(match.group()):x}}}", text)


def json_rule(name: str, schema: Mapping[str, Any]) -> str:
    """A rule that is JSON of this schema."""
    read = changed(without_idle_words(with_known_drafts(schema)), _with_exact_classes)
    return f"{name}: %json {json.dumps({**read, 'x-guidance': _OPTIONS})}"


def _with_exact_classes(words: dict[str, Any]) -> dict[str, Any]:
    """Patterns whose classes leave out NUL, so that they leave out what they say.

    In a class of all control characters llguidance 1.9 takes `"` and `\\` for members.
    """
    exact = dict(words)
    if isinstance(said := words.get("pattern"), str):
        exact["pattern"] = _exact(said)
    if isinstance(named := words.get("patternProperties"), Mapping):
        named = cast(Mapping[str, Any], named)
        exact["patternProperties"] = {_exact(said): schema for said, schema in named.items()}
    return exact


def _exact(said: str) -> str:
    return _PIECE.sub(lambda piece: _without_nul(piece[0]), said)


def _without_nul(piece: str) -> str:
    if not piece.startswith("[") or piece == "[^]":
        return piece
    if piece.startswith("[^"):
        as_character = "\\" * piece.startswith("[^-")  # or it would begin a range
        return rf"[^\x00{as_character}{piece[2:]}"
    return _FROM_NUL.sub(r"\\x01-", piece)


def any_of(rule: str, count: int) -> str:
    """One of the rules `<rule>_0` to `<rule>_<count - 1>`."""
    return " | ".join(f"{rule}_{at}" for at in range(count))
