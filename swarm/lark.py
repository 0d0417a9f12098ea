"""Small pieces of grammars in llguidance's dialect of Lark."""

import json
import re
from collections.abc import Mapping
from typing import Any

SPACE = r"SPACE: /[ \n\t\r]{1,20}/"
"""White space around calls: bounded, for a model may find no end to it."""

_OPTIONS = {"whitespace_pattern": r"[ \n\t\r]{1,20}", "lenient": True}
"""How llguidance reads a schema: words that it cannot enforce are left to a check afterwards."""

_COMPOSED = ("allOf", "anyOf", "oneOf", "$ref", "$dynamicRef", "if", "patternProperties",
             "unevaluatedProperties", "dependentSchemas", "minProperties")  # fmt: skip


def literal(text: str) -> str:
    """A text as Lark writes it."""
    return json.dumps(text, ensure_ascii=False)


def pattern(text: str) -> str:
    """A regular expression, for between slashes, that is exactly this text."""
    return re.sub(r"([^\w\s])", r"\\\1", text).replace("\n", r"\n")


def json_rule(name: str, schema: Mapping[str, Any]) -> str:
    """A rule that is JSON of this schema."""
    return f"{name}: %json {json.dumps({**schema, 'x-guidance': _OPTIONS})}"


def arguments_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's schema for a grammar: an object, and no properties but those that it names.

    A schema that says nothing of other properties allows them; a model that writes one has
    mistaken a name. What is closed here is valid by the schema as it was.
    """
    schema: dict[str, Any] = {"type": "object", **parameters}
    if "properties" in schema and not any(word in schema for word in _COMPOSED):
        schema.setdefault("additionalProperties", False)
    return schema
