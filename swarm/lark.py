"""Small pieces of grammars in llguidance's dialect of Lark."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

SPACE = r"SPACE: /[ \n\t\r]{1,20}/"
"""White space around calls: bounded, for a model may find no end to it."""

_OPTIONS = {"whitespace_pattern": r"[ \n\t\r]{1,20}", "lenient": True}
"""How llguidance reads a schema: words that it cannot enforce are left to a check afterwards."""


def literal(text: str) -> str:
    """A text as Lark writes it, whose own reader stops at a DEL that stands as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")


def pattern(text: str) -> str:
    """A regular expression, for between slashes, that is exactly this text."""
    return re.sub(r"[^\w]", lambda match: f"\\x{{{ord(match.group()):x}}}", text)


def json_rule(name: str, schema: Mapping[str, Any]) -> str:
    """A rule that is JSON of this schema."""
    read = _asking(with_known_drafts(schema))
    return f"{name}: %json {json.dumps({**read, 'x-guidance': _OPTIONS})}"


_DRAFTS = {
    f"json-schema.org/{draft}": f"{scheme}://json-schema.org/{draft}{end}"
    for scheme, end, drafts in (
        ("http", "#", ("draft-03/schema", "draft-04/schema", "draft-06/schema", "draft-07/schema")),
        ("https", "", ("draft/2019-09/schema", "draft/2020-12/schema")),
    )
    for draft in drafts
}
_DATA = frozenset({"const", "enum", "default", "examples"})
"""What these words say is no schema."""


def with_known_drafts(schema: Any) -> Any:
    """The schema with each `$schema` as its draft spells it; one that is no draft is left out."""
    if isinstance(schema, list):
        return [with_known_drafts(part) for part in cast(list[Any], schema)]
    if not isinstance(schema, Mapping):
        return schema
    known: dict[str, Any] = {}
    for word, said in cast(Mapping[str, Any], schema).items():
        if word == "$schema" and isinstance(said, str):
            bare = said.removeprefix("https://").removeprefix("http://").rstrip("#/")
            if bare in _DRAFTS:
                known[word] = _DRAFTS[bare]
        else:
            known[word] = said if word in _DATA else with_known_drafts(said)
    return known


_BY_NAME = frozenset(
    {
        "properties",
        "patternProperties",
        "$defs",
        "definitions",
        "dependentSchemas",
        "dependentRequired",
        "dependencies",
    }
)
"""What these words say are schemas, or lists, under names of any kind."""

_ANYTHING: tuple[Any, ...] = (True, {})
_ASK_NOTHING: dict[str, tuple[Any, ...]] = {
    "uniqueItems": (False,),
    "not": (False,),
    "dependentRequired": ({},),
    "dependentSchemas": ({},),
    "dependencies": ({},),
    "unevaluatedProperties": _ANYTHING,
    "unevaluatedItems": _ANYTHING,
    "propertyNames": (*_ANYTHING, {"type": "string"}),
}
"""Words that llguidance does not know, with what is no wish: zod writes the last for each record.
"""

_CONTAINS = ("contains", "minContains")


def _asking(schema: Any) -> Any:
    """The schema without the words that ask for nothing."""
    if isinstance(schema, list):
        return [_asking(part) for part in cast(list[Any], schema)]
    if not isinstance(schema, Mapping):
        return schema
    left: dict[str, Any] = {}
    for word, said in cast(Mapping[str, Any], schema).items():
        if word in _DATA:
            left[word] = said
        elif word in _BY_NAME and isinstance(said, Mapping):
            named = cast(Mapping[str, Any], said)
            left[word] = {name: _asking(part) for name, part in named.items()}
        else:
            left[word] = _asking(said)
        if left[word] in _ASK_NOTHING.get(word, ()):
            del left[word]
    if left.get("minContains") == 0 and "maxContains" not in left:
        left = {word: said for word, said in left.items() if word not in _CONTAINS}
    return left


def any_of(rule: str, count: int) -> str:
    """One of the rules `<rule>_0` to `<rule>_<count - 1>`."""
    return " | ".join(f"{rule}_{at}" for at in range(count))
