"""Random JSON schemas of tools' arguments, their strings and arrays bounded."""

from typing import Any, TypeAlias

from hypothesis import strategies as st

Schema: TypeAlias = dict[str, Any]

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
KEYS = st.text(LETTERS, min_size=1, max_size=6)
SMALL = st.integers(-50, 50)
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), SMALL, st.text(max_size=6), st.sampled_from([0.5, -1.25, 1e3])
)
PATTERNS = ("^[a-c]+$", "x", "^(ab|cd){1,2}$", r"^\d{2}$", r"^[^\"]{0,3}\n?$")
FORMATS = ("date", "time", "uuid", "ipv4", "email", "unheard-of")


@st.composite
def strings(draw: st.DrawFn) -> Schema:
    least = draw(st.integers(0, 3))
    schema: Schema = {"type": "string", "minLength": least, "maxLength": least + draw(SMALL_COUNT)}
    match draw(st.integers(0, 5)):
        case 0:
            return {"type": "string", "pattern": draw(st.sampled_from(PATTERNS)), "maxLength": 8}
        case 1:
            return {"type": "string", "format": draw(st.sampled_from(FORMATS)), "maxLength": 40}
        case 2:
            return {"type": "string", "enum": draw(st.lists(st.text(max_size=5), min_size=1))}
        case _:
            return schema


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    kind = draw(st.sampled_from(["integer", "number"]))
    least, span = draw(SMALL), draw(st.integers(2, 40))
    schema: Schema = {"type": kind}
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["minimum", "exclusiveMinimum"]))] = least
    if draw(st.booleans()):
        schema[draw(st.sampled_from(["maximum", "exclusiveMaximum"]))] = least + span
    if kind == "integer" and draw(st.booleans()):
        schema["multipleOf"] = draw(st.integers(1, 2))
    return schema


SMALL_COUNT = st.integers(0, 5)


@st.composite
def arrays(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    least = draw(st.integers(0, 2))
    schema: Schema = {
        "type": "array",
        "items": draw(inner),
        "minItems": least,
        "maxItems": least + draw(st.integers(0, 2)),
    }
    if draw(st.integers(0, 4)) == 0:
        schema["prefixItems"] = draw(st.lists(inner, min_size=1, max_size=2))
    if draw(st.integers(0, 6)) == 0:
        schema["uniqueItems"] = True  # no grammar can hold a model to it
    return schema


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(KEYS, inner, max_size=4))
    schema: Schema = {"type": "object", "properties": properties}
    if properties:
        names = st.sampled_from(list(properties))
        schema["required"] = draw(st.lists(names, unique=True, max_size=4))
    if draw(st.booleans()):
        schema["additionalProperties"] = draw(st.one_of(st.just(False), inner))
    if draw(st.integers(0, 8)) == 0:
        schema["propertyNames"] = {"maxLength": 6}
    return schema


def either(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    word = st.sampled_from(["anyOf", "anyOf", "oneOf"])
    return st.builds(lambda w, options: {w: options}, word, st.lists(inner, min_size=1, max_size=3))


LEAVES = st.one_of(
    strings(),
    strings(),
    numbers(),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["boolean", "null"]}]),
    st.builds(lambda value: {"const": value}, SCALARS),
    st.builds(lambda values: {"enum": values}, st.lists(SCALARS, min_size=1, max_size=3)),
    st.just({"$ref": "#/$defs/shared"}),
    st.just({"type": "string", "maxLength": 4, "not": {"const": "a"}}),
)


@st.composite
def parameters(draw: st.DrawFn) -> Schema:
    """A tool's `parameters`."""
    inner = st.recursive(
        LEAVES, lambda s: st.one_of(arrays(s), objects(s), either(s)), max_leaves=5
    )
    schema = draw(objects(inner))
    schema["$defs"] = {"shared": draw(st.one_of(strings(), numbers()))}
    if draw(st.integers(0, 5)) == 0:
        schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    return schema
