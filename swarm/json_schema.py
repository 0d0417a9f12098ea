"""JSON Schemas as clients write and mean them, in the words that our libraries know."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

_DRAFTS = {
    f"json-schema.org/{draft}": f"{scheme}://json-schema.org/{draft}{end}"
    for scheme, end, drafts in (
        ("http", "#", ("draft-03/schema", "draft-04/schema", "draft-06/schema", "draft-07/schema")),
        ("https", "", ("draft/2019-09/schema", "draft/2020-12/schema")),
    )
    for draft in drafts
}
DATA = frozenset({"const", "enum", "default", "examples"})
"""Words whose values are data, not schemas."""

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
"""Words whose values are schemas, or lists, under names of any kind."""

_Change: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


def changed(schema: Any, change: _Change) -> Any:
    """The schema with this change made to each schema of it, those within first."""
    if isinstance(schema, list):
        return [changed(part, change) for part in cast(list[Any], schema)]
    if not isinstance(schema, Mapping):
        return schema
    words: dict[str, Any] = {}
    for word, said in cast(Mapping[str, Any], schema).items():
        if word in DATA:
            words[word] = said
        elif word in _BY_NAME and isinstance(said, Mapping):
            named = cast(Mapping[str, Any], said)
            words[word] = {name: changed(part, change) for name, part in named.items()}
        else:
            words[word] = changed(said, change)
    return change(words)


def with_known_drafts(schema: Any) -> Any:
    """The schema with each `$schema` as its draft spells it; one that isn't a draft is left out."""
    return changed(schema, _with_known_draft)


def _with_known_draft(words: dict[str, Any]) -> dict[str, Any]:
    if isinstance(said := words.get("$schema"), str):
        bare = said.removeprefix("https://").removeprefix("http://").rstrip("#/")
        if bare in _DRAFTS:
            return {**words, "$schema": _DRAFTS[bare]}
        del words["$schema"]
    return words


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
"""Words that llguidance does not know, with values that ask for nothing: zod writes the last for
each record."""

_CONTAINS = ("contains", "minContains")


def without_idle_words(schema: Any) -> Any:
    """The schema without the words that ask for nothing."""
    return changed(schema, _without_idle_words)


def _without_idle_words(words: dict[str, Any]) -> dict[str, Any]:
    left = {word: said for word, said in words.items() if said not in _ASK_NOTHING.get(word, ())}
    if left.get("minContains") == 0 and "maxContains" not in left:
        left = {word: said for word, said in left.items() if word not in _CONTAINS}
    return left


_ALL_HERE = ("allOf", "anyOf", "oneOf")
_ONE_HERE = ("if", "then", "else")
_HERE_BY_NAME = ("dependentSchemas", "dependencies")
"""Words whose schemas are of the same object."""

_OPEN = ("patternProperties", "additionalProperties", "unevaluatedProperties", "$dynamicRef")
"""Words by which a part allows properties that it does not name."""

_OWN = ("properties", "patternProperties", "additionalProperties", "unevaluatedProperties")
"""Words of which `additionalProperties` at the root knows, or over which it stands."""


def closed_as_meant(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of an object whose `additionalProperties: false` also knows the names in the
    other parts of it: JSON Schema looks at the `properties` beside it alone.

    Clients close every tool so, whatever its server wrote. Where a part allows what it does not
    name the object stays open.
    """
    if schema.get("additionalProperties") is not False:
        return schema
    properties = _mapping(schema.get("properties"))
    rest = {word: said for word, said in schema.items() if word not in _OWN}
    names = _names_in(rest, schema, set())
    if names is None:
        return {word: said for word, said in schema.items() if word != "additionalProperties"}
    missing: dict[str, Any] = {name: {} for name in names if name not in properties}
    return {**schema, "properties": {**properties, **missing}} if missing else schema


def _names_in(part: Any, root: Mapping[str, Any], seen: set[str]) -> dict[str, None] | None:
    """The properties that a part names, in its order; None where it allows others too."""
    said = _mapping(part)
    if any(said.get(word, False) is not False for word in _OPEN):
        return None
    names = dict.fromkeys((*_mapping(said.get("properties")), *_strings(said.get("required"))))
    for needed in (_mapping(said.get("dependentRequired")), _mapping(said.get("dependencies"))):
        names |= dict.fromkeys(name for more in needed.values() for name in _strings(more))
    for within in _parts_of(said, root, seen):
        more = _names_in(within, root, seen)
        if more is None:
            return None
        names |= more
    return names


def _parts_of(said: Mapping[str, Any], root: Mapping[str, Any], seen: set[str]) -> Iterator[Any]:
    for word in _ALL_HERE:
        yield from _items(said.get(word))
    yield from (said[word] for word in _ONE_HERE if word in said)
    for word in _HERE_BY_NAME:
        yield from _mapping(said.get(word)).values()
    reference = said.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        yield _referred(reference, root)


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    """What a reference to a place within the schema means; any other may mean anything."""
    anything = {"additionalProperties": True}
    start, *steps = unquote(reference).split("/")
    found: Any = root if start == "#" else anything
    for step in steps:
        key = step.replace("~1", "/").replace("~0", "~")
        found = _mapping(found).get(key, anything)
    return found


def _mapping(said: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], said) if isinstance(said, Mapping) else {}


def _items(said: Any) -> list[Any]:
    return cast(list[Any], said) if isinstance(said, list) else []


def _strings(said: Any) -> list[str]:
    return [name for name in _items(said) if isinstance(name, str)]
