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
    return f"{name}: %json {json.dumps({**with_known_drafts(schema), 'x-guidance': _OPTIONS})}"


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


def any_of(rule: str, count: int) -> str:
    """One of the rules `<rule>_0` to `<rule>_<count - 1>`."""
    return " | ".join(f"{rule}_{at}" for at in range(count))
