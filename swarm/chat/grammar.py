"""From what an answer is held to, to the grammar of a completion in a model's own format."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

from llguidance import LLMatcher

from swarm.chat.formats.format import Format, Spelling
from swarm.chat.reasoning import THINK_OPEN
from swarm.chat.recalled import recalled
from swarm.lark import SPACE, json_rule, pattern
from swarm.types import Constraint, Grammar, ToolSpec

Thinking: TypeAlias = Literal["never", "perhaps", "opened"]
"""Whether a completion begins with reasoning between `<think>` and `</think>`; opened: the prompt
ends with the opening mark."""

_THOUGHT = r"""thought[lazy]: /(?s:.*)<\/think>/"""
_THINK = r"""thought[lazy]: /[ \n\t\r]*<think>(?s:.*)<\/think>/"""


def grammar_of(
    call_format: Format,
    tools: Sequence[ToolSpec],
    constraint: Constraint,
    *,
    one_call: bool,
    thinking: Thinking,
) -> Grammar | None:
    """The grammar of a completion, None where it may be anything.

    Text is free up to where a call begins, and the call is then valid by its tool's schema as
    far as the grammar's library knows the schema's words (`unenforced` tells what it does not).
    """
    callable_tools = [ready_tool(tool) for tool in constraint.callable_of(tools)]
    if not (callable_tools or constraint.schema or call_format.own_reasoning):
        return None
    spelling = call_format.spelling(callable_tools, one_call)
    lines = ['%llguidance {"no_forcing": true}', SPACE, *spelling.rules]
    if constraint.schema is not None:
        lines.append(json_rule("answer", json.loads(constraint.schema)))
    before = "" if thinking == "never" else "thought? " if thinking == "perhaps" else "thought "
    lines.append(f"start: {before}({_completion(spelling, constraint, bool(callable_tools))})")
    lines += {"never": [], "perhaps": [_THINK], "opened": [_THOUGHT]}[thinking]
    barred = [spelling.call_begins, THINK_OPEN if thinking == "perhaps" else None]
    lines.append(_begin([text for text in barred if text]))
    return Grammar("\n".join(lines), spelling.marks)


def _begin(barred: Sequence[str]) -> str:
    """The terminal of texts that begin with none of these."""
    others = [rf" & ~/[ \n\t\r]*{pattern(text)}(?s:.*)/" for text in barred]
    return f"BEGIN: /(?s:.*)/{''.join(others)}"


def _completion(spelling: Spelling, constraint: Constraint, callable_tools: bool) -> str:
    if constraint.must_call:
        return f"SPACE? ({spelling.called})"
    if constraint.schema is None:
        return spelling.free
    if callable_tools:
        return f"SPACE? ({spelling.said} | {spelling.called})"
    return f"SPACE? ({spelling.said})"


def ready_tool(tool: ToolSpec) -> ToolSpec:
    """The tool with a schema that a grammar can take: an object, without other properties.

    A schema that names properties and says nothing of others allows them; a model that writes
    one has mistaken a name. What is closed here is valid by the schema as it was.
    """
    schema: dict[str, Any] = {"type": "object", **tool.parameters}
    if _is_blind(schema):
        schema = _without_unread(schema)
        schema = {"type": "object"} if _is_blind(schema) else schema
    if _names_all(schema):
        schema.setdefault("additionalProperties", False)
    return replace(tool, parameters=schema)


def _without_unread(part: Any) -> Any:
    """A part of a schema, with the empty pattern, which every text has, for one that is not read.

    Where names have such a one, none of the other properties is held to anything.
    """
    if isinstance(part, list):
        return [_without_unread(each) for each in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    said = cast("dict[str, Any]", part)
    kept = {
        word: "" if word == "pattern" and _is_unread(value) else _without_unread(value)
        for word, value in said.items()
    }
    if any(map(_is_unread, said.get("patternProperties", ()))):
        del kept["patternProperties"]
        kept["additionalProperties"] = True
    return kept


def _is_unread(pattern: object) -> bool:
    return isinstance(pattern, str) and _is_blind({"pattern": pattern})


def _is_blind(schema: Mapping[str, Any]) -> bool:
    return _unenforced(json.dumps(schema)).blind


def _names_all(schema: Mapping[str, Any]) -> bool:
    """Whether its `properties` are all that it speaks of."""
    if "properties" not in schema or any(word in schema for word in _COMPOSED):
        return False
    return set(schema.get("required", ())) <= schema["properties"].keys()


_COMPOSED = (
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "$dynamicRef",
    "if",
    "patternProperties",
    "unevaluatedProperties",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "minProperties",
)
"""Words beside which other properties may be named elsewhere, or needed."""

_FORMATS = frozenset(
    {
        "regex",
        "json-pointer",
        "relative-json-pointer",
        "uri-reference",
        "uri-template",
        "iri",
        "iri-reference",
        "idn-email",
        "idn-hostname",
    }
)
"""What JSON Schema defines and the library does not know; any other format is an annotation."""


def unenforced(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a schema a grammar does not enforce, in the library's words; it is checked after.

    Raises ValueError, which says why, where nothing can satisfy it, or it refers to nothing.
    """
    return _unenforced(json.dumps(schema)).left


@dataclass(frozen=True, slots=True)
class _Left:
    """`blind`: nothing of the schema can be enforced."""

    left: tuple[str, ...]
    blind: bool = False


@recalled(256)
def _unenforced(schema: str) -> _Left:
    text = f"start: answer\n{json_rule('answer', json.loads(schema))}\n"
    failed, said = LLMatcher.validate_grammar_with_warnings(text)
    if failed:
        reason = said[0].strip().splitlines()[0].partition(_PREAMBLE)[2] or said[0]
        if "regex" not in reason:
            raise ValueError(reason)
        named = _UNREAD.search(said[0])
        which = f" {named[1] or named[2]!r}" if named else ""
        return _Left((f"the pattern{which}",), blind=True)
    unknown = "Unknown format: "
    return _Left(
        tuple(w for w in said if not w.startswith(unknown) or w.removeprefix(unknown) in _FORMATS)
    )


_PREAMBLE = "failed to compile JSON schema: "
_UNREAD = re.compile(r"regex parse error:\n {4}(.*)\n|in regex /(.*)/\n")
