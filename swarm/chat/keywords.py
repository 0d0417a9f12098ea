"""Words of JSON Schema that jsonschema reads otherwise: its own search of patterns may take for
ever, and its multiples of a fraction are those of floats.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias, cast

import attrs
from jsonschema import FormatChecker, ValidationError, validators
from referencing.jsonschema import lookup_recursive_ref

from swarm.chat.patterns import Search, readable

Errors: TypeAlias = Iterator[ValidationError]
Parts: TypeAlias = Iterator[tuple[Any, Any]]


class Texts(FormatChecker):
    """What strings are checked with: a draft's formats, and the search of one check."""

    def __init__(self, formats: FormatChecker) -> None:
        super().__init__(())
        self.checkers = {**formats.checkers, "regex": (readable, ())}
        self.search = Search()


@lru_cache(maxsize=16)
def bounded(kind: Any) -> Any:
    """A draft's validator with our words; the `Texts` that it is given look for patterns."""
    ours: dict[str, Any] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional(kind.VALIDATORS["additionalProperties"]),
        "unevaluatedProperties": _unevaluated,
        "multipleOf": _multiple_of,
    }
    known = {word: check for word, check in ours.items() if word in kind.VALIDATORS}
    made = cast(Any, validators).extend(kind, known)
    made.evolve = _evolve(made.evolve)
    return made


def _evolve(own: Any) -> Any:
    """The library's own, which goes back to the plain draft where a part says `$schema`."""

    def evolve(validator: Any, **changes: Any) -> Any:
        schema = changes.get("schema", validator.schema)
        plain = validator.is_type(schema, "object") and "$schema" in schema
        return attrs.evolve(validator, **changes) if plain else own(validator, **changes)

    return evolve


def _pattern(validator: Any, pattern: str, instance: Any, _: object) -> Errors:
    search = validator.format_checker.search
    if validator.is_type(instance, "string") and not search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _multiple_of(validator: Any, step: float, instance: Any, _: object) -> Errors:
    if validator.is_type(instance, "number") and _exact(instance) % _exact(step):
        yield ValidationError(f"{instance!r} is not a multiple of {step!r}")


def _exact(number: float) -> Fraction:
    """The number as it is written: 0.07 is seven times 0.01. Raises OverflowError for infinity."""
    return Fraction(Decimal(str(number)))


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: object
) -> Errors:
    if not validator.is_type(instance, "object"):
        return
    for pattern, part in patterns.items():
        for name in _named(validator, [pattern], instance):
            yield from validator.descend(instance[name], part, path=name, schema_path=pattern)


def _named(validator: Any, patterns: Any, instance: Mapping[str, Any]) -> list[str]:
    search = validator.format_checker.search
    return [name for name in instance if any(search(pattern, name) for pattern in patterns)]


def _additional(own: Any) -> Any:
    """The draft's own, which is shown no pattern and no property that one of them names."""

    def additional(validator: Any, rest: Any, instance: Any, schema: Mapping[str, Any]) -> Errors:
        if validator.is_type(instance, "object") and "patternProperties" in schema:
            named = set(_named(validator, schema["patternProperties"], instance))
            instance = {name: instance[name] for name in instance if name not in named}
            schema = {word: schema[word] for word in schema if word != "patternProperties"}
        yield from own(validator, rest, instance, schema)

    return additional


def _unevaluated(validator: Any, _: object, instance: Any, schema: Mapping[str, Any]) -> Errors:
    if not validator.is_type(instance, "object"):
        return
    known = _evaluated(validator, instance, schema)
    left = [name for name in instance if name not in known]
    if left:
        names = ", ".join(map(repr, left))
        yield ValidationError(f"Unevaluated properties are not allowed ({names} unexpected)")


def _evaluated(validator: Any, instance: Mapping[str, Any], schema: Any) -> set[str]:
    """The properties that a schema has something to say of."""
    if not validator.is_type(schema, "object"):
        return set()
    known: set[str] = instance.keys() & schema.get("properties", {}).keys()
    known |= set(_named(validator, schema.get("patternProperties", ()), instance))
    for word in ("additionalProperties", "unevaluatedProperties"):
        if word in schema:
            rest = schema[word]
            known |= {n for n, v in instance.items() if _valid(validator.descend(v, rest))}
    for within, part in (*_referred(validator, schema), *_applied(validator, instance, schema)):
        known |= _evaluated(within, instance, part)
    return known


def _referred(validator: Any, schema: Mapping[str, Any]) -> Parts:
    """The schemas that this one refers to, each with a validator that is at its place."""
    resolver = validator._resolver  # noqa: SLF001 - as the library's own words take it
    found = [resolver.lookup(schema[word]) for word in ("$ref", "$dynamicRef") if word in schema]
    if "$recursiveRef" in schema:
        found.append(lookup_recursive_ref(resolver))
    for place in found:
        yield validator.evolve(schema=place.contents, _resolver=place.resolver), place.contents


def _applied(validator: Any, instance: Mapping[str, Any], schema: Mapping[str, Any]) -> Parts:
    """The schemas in this one that the same object satisfies."""
    parts = [part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ())]
    valid = [part for part in parts if _valid(validator.descend(instance, part))]
    dependent = schema.get("dependentSchemas", {})
    valid += [dependent[name] for name in dependent if name in instance]
    if "if" in schema:
        holds = _valid(validator.descend(instance, schema["if"]))
        words = ("if", "then") if holds else ("else",)
        valid += [schema[word] for word in words if word in schema]
    for part in valid:
        yield validator, part


def _valid(errors: Errors) -> bool:
    return next(errors, None) is None
