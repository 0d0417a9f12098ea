"""JSON schemas as grammars of objects with bare keys: what `bare_keys` reads, held to a schema."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

from swarm.chat.formats.bare_keys import JSON_SPACE
from swarm.lark import json_rule, literal, pattern

_META = ("$comment", "$schema", "$defs", "definitions")
_TOLD = ("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly")
_NOTES = frozenset((*_META, *_TOLD, "nullable"))
_BOUNDS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"))
_WORDS = {
    "string": frozenset(("minLength", "maxLength")),
    "integer": _BOUNDS,
    "number": _BOUNDS,
    "boolean": frozenset[str](),
    "null": frozenset[str](),
    "array": frozenset(("items", "minItems", "maxItems")),
    "object": frozenset(("properties", "required", "additionalProperties")),
}
"""What is enforced of values of each type."""

_IMPLIED = {"properties": "object", "required": "object", "items": "array"}
"""The type of a schema that has such a word and names none."""

_BARE = r"[^ \t\n\r:,{}\[\]<\"]+"
_NEXT = 'next: "," SPACE?'


class Objects:
    """Grammars of objects, in Lark; `quote` is the number of the mark around strings.

    `rules` are the lines that what `of` returned needs, `whole` whether all that the schemas say is
    in them. Keys come in the order in which templates of such models write them, by the alphabet.
    """

    def __init__(self, quote: int) -> None:
        self._quote = f"mark_{quote}"
        self._until = f"until_{quote}"
        self._rules: dict[str, str] = {}
        self._referred: dict[tuple[int, str], str] = {}
        self._root: Mapping[str, Any] = {}
        self.whole = True

    @property
    def rules(self) -> list[str]:
        """The lines of all rules."""
        return [*self._rules.values(), _NEXT] if self._rules else []

    def of(self, schema: Mapping[str, Any]) -> str:
        """The name of a rule for one object of this schema."""
        self._root = schema
        self._only(schema, {"type"} | _WORDS["object"])
        return self._object(schema)

    def _rule(self, said: str) -> str:
        name = f"bare_{len(self._rules)}"
        self._rules[name] = f"{name}: {said}"
        return name

    def _value(self, schema: Any) -> str:
        if not isinstance(schema, Mapping):
            self.whole &= schema is not False
            return self._any()
        known = cast(Mapping[str, Any], schema)
        if "$ref" in known:
            self._only(known, {"$ref"})
            return self._reference(known["$ref"])
        for word in ("enum", "const"):
            if word in known:
                self._only(known, {word, "type"})
                values = known[word] if word == "enum" else [known[word]]
                return self._rule(" | ".join(map(self._constant, values)))
        if "anyOf" in known:
            self._only(known, {"anyOf"})
            return self._rule(" | ".join(map(self._value, known["anyOf"])))
        return self._typed(known)

    def _typed(self, schema: Mapping[str, Any]) -> str:
        implied = next((kind for word, kind in _IMPLIED.items() if word in schema), None)
        kinds = schema.get("type", implied)
        kinds = cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds]
        if any(kind not in _WORDS for kind in kinds):
            self._only(schema, set())
            return self._any()
        self._only(schema, {"type"}.union(*(_WORDS[kind] for kind in kinds)))
        return self._rule(" | ".join(self._of_type(kind, schema) for kind in kinds))

    def _of_type(self, kind: str, schema: Mapping[str, Any]) -> str:
        match kind:
            case "string":
                return self._text(schema.get("minLength", 0), schema.get("maxLength", "inf"))
            case "array":
                return self._array(schema)
            case "object":
                return self._object(schema)
            case _:
                bounds = {word: said for word, said in schema.items() if word in _BOUNDS}
                return self._json({"type": kind, **bounds})

    def _only(self, schema: Mapping[str, Any], words: set[str] | frozenset[str]) -> None:
        """Note whether the schema says more than these words, which are all that is enforced."""
        self.whole &= schema.keys() <= words | _NOTES

    def _text(self, low: Any = 0, high: Any = "inf") -> str:
        return f"{self._quote} {self._until}_{low}_{high}"

    def _json(self, schema: Mapping[str, Any]) -> str:
        name = f"bare_{len(self._rules)}"
        self._rules[name] = json_rule(name, schema)
        return name

    def _constant(self, value: Any) -> str:
        if isinstance(value, str):
            said = f" {literal(value)} " if value else " "
            return f"{self._quote}{said}{self._quote}"
        if isinstance(value, list):
            parts = [self._constant(part) for part in cast("list[Any]", value)]
            return " ".join(['"["', " next ".join(parts), '"]"'])
        if isinstance(value, dict):
            pairs = sorted(cast("dict[str, Any]", value).items(), key=_place)
            parts = [f"{self._key(key)} {self._constant(part)}" for key, part in pairs]
            return " ".join(['"{"', " next ".join(parts), '"}"'])
        return literal(json.dumps(value))

    def _array(self, schema: Mapping[str, Any]) -> str:
        low, high = schema.get("minItems", 0), schema.get("maxItems")
        if high == 0:
            return self._rule('"[" SPACE? "]"')
        item = self._value(schema.get("items", {}))
        bounds = f"{max(low - 1, 0)},{'' if high is None else high - 1}"
        more = "" if high == 1 else f" (next {item}){{{bounds}}}"
        items = f"{item}{more} SPACE?"
        return self._rule(f'"[" SPACE? {items if low else f"({items})?"} "]"')

    def _object(self, schema: Mapping[str, Any]) -> str:
        named = dict(cast(Mapping[str, Any], schema.get("properties", {})))
        required = cast(Sequence[str], schema.get("required", ()))
        named |= {key: {} for key in required if key not in named}
        members = [
            (f"{self._key(key)} {self._value(each)}", key in required)
            for key, each in sorted(named.items(), key=_place)
        ]
        others = schema.get("additionalProperties", True)
        other = None if others is False else self._other(others, named)
        said = self._members(members, other)
        return self._rule(f'"{{" SPACE? {said} "}}"')

    def _members(self, members: Sequence[tuple[str, bool]], other: str | None) -> str:
        """Members in this order, those that are not required left out at will, then others."""
        behind = f"(next {other})*" if other else ""
        firsts = [f"{other} {behind}"] if other else []
        may_be_none = True
        for member, required in reversed(members):
            if required:
                firsts, may_be_none = [], False
            firsts.append(f"{member} {behind}")
            tail = f"(next {member})" if required else f"(next {member})?"
            behind = self._rule(f"{tail} {behind}")
        if not firsts:
            return ""
        return f"(({' | '.join(firsts)}) SPACE?){'?' if may_be_none else ''}"

    def _key(self, key: str) -> str:
        bare = not set(key) & set(JSON_SPACE + ':,{}[]<"') and key
        spelled = literal(key) if bare else self._constant(key)
        return f'{spelled} ":" SPACE?'

    def _other(self, schema: Any, named: Mapping[str, Any]) -> str:
        own = "|".join(map(pattern, named))
        name = f"BARE_{len(self._rules)}"
        self._rules[name] = f"{name}: /{_BARE}/" + (f" & ~/{own}/" if own else "")
        value = self._any() if schema is True else self._value(schema)
        return self._rule(f'{name} ":" SPACE? {value}')

    def _any(self) -> str:
        """Any value at all."""
        if "bare_any" not in self._rules:
            self._rules["bare_any"] = ""  # it is in what follows itself
            scalar = self._json({"type": ["number", "boolean", "null"]})
            items, members = self._array({}), self._object({})
            said = f"bare_any: {self._text()} | {scalar} | {items} | {members}"
            self._rules["bare_any"] = said
        return "bare_any"

    def _reference(self, pointer: Any) -> str:
        known = (id(self._root), str(pointer))
        if known not in self._referred:
            found = _found(self._root, pointer)
            if found is None:
                self.whole = False
                return self._any()
            name = self._referred[known] = f"referred_{len(self._referred)}"
            self._rules[name] = ""  # it may be in what follows itself
            self._rules[name] = f"{name}: {self._value(found)}"
        return self._referred[known]


def _place(pair: tuple[str, Any]) -> str:
    """As Jinja's `dictsort` does."""
    return pair[0].lower()


def _found(root: Mapping[str, Any], pointer: Any) -> Any | None:
    """The part of a schema at a JSON pointer (RFC 6901) into itself, None where there is none."""
    if not isinstance(pointer, str) or not pointer.startswith("#"):
        return None
    part: Any = root
    for step in itertools.islice(unquote(pointer[1:]).split("/"), 1, None):
        word = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(part, Mapping) or word not in part:
            return None
        part = cast(Mapping[str, Any], part)[word]
    return part
