"""Small pieces of grammars in llguidance's dialect of Lark."""

import json
import re
from collections.abc import Mapping
from typing import Any

from swarm.json_schema import with_known_drafts, without_idle_words

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
    read = without_idle_words(with_known_drafts(schema))
    return f"{name}: %json {json.dumps({**read, 'x-guidance': _OPTIONS})}"


def any_of(rule: str, count: int) -> str:
    """One of the rules `<rule>_0` to `<rule>_<count - 1>`."""
    return " | ".join(f"{rule}_{at}" for at in range(count))
