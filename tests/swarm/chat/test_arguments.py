"""Arguments against the schemas of their tools."""

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from swarm.chat.arguments import checks_of
from swarm.errors import InvalidRequest
from swarm.types import ToolSpec

READ: Any = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "mode": {"enum": ["text", "bytes"]},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/line"}},
    },
    "required": ["path"],
    "$defs": {"line": {"type": "integer", "minimum": 1}},
}


def wrong(arguments: str, schema: Any = READ) -> str | None:
    return checks_of([ToolSpec("read", "", schema)])["read"](arguments)


@pytest.mark.parametrize(
    "arguments",
    ['{"path": "a"}', '{"path": "a", "mode": "text", "lines": [1, 2]}', '{"path": "", "x": 1}'],
)
def test_what_fits(arguments: str) -> None:
    assert wrong(arguments) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("{}", "'path' is a required property"),
        ('{"path": 1}', "path: 1 is not of type 'string'"),
        ('{"path": "a", "mode": "x"}', "mode: 'x' is not one of"),
        ('{"path": "a", "lines": [0]}', "lines.0: 0 is less than"),
        ("{", "not JSON"),
    ],
)
def test_what_does_not_fit_is_said(arguments: str, said: str) -> None:
    assert said in (wrong(arguments) or "")


def test_a_schema_that_is_none_is_the_clients_mistake() -> None:
    with pytest.raises(InvalidRequest, match="no JSON schema") as caught:
        wrong("{}", {"type": "objekt"})
    assert caught.value.param == "tools[0].function.parameters"


def test_nothing_is_fetched() -> None:
    schema = {"properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}}
    assert "refers to" in (wrong('{"a": 1}', schema) or "")


def test_an_older_draft_is_read_as_such() -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    assert wrong("{}", schema) is None


def test_a_number_beyond_all_bounds_is_wrong() -> None:
    schema = {"properties": {"price": {"multipleOf": 0.25}}}
    assert wrong('{"price": 1e400}', schema) == "a number in it is too large"
    assert wrong('{"price": 0.5}', schema) is None


def test_a_multiple_is_one_by_what_is_written() -> None:
    schema = {"properties": {"price": {"multipleOf": 0.01}}}
    for price in ("19.99", "0.07", "-0.29", "1e2", "3"):
        assert wrong(f'{{"price": {price}}}', schema) is None
    assert wrong('{"price": 0.005}', schema) == "price: 0.005 is not a multiple of 0.01"
    assert wrong('{"price": 7}', {"properties": {"price": {"multipleOf": 2}}}) is not None
    assert wrong('{"price": "7"}', schema) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"^\p{L}+$",
        r"(?<y>\d{4})",
        r"^[\w-\.]+$",
        r"\u{1F600}",
        r"\cA",
        r"^[^]{9,}$",
        r"^(\p{Extended_Pictographic}|\p{Emoji_Component})+$",
        r"^(?!.*-)\w+$",
    ],
)
def test_a_pattern_of_javascript_is_one(pattern: str) -> None:
    schema = {"properties": {"a": {"type": "string", "pattern": pattern}, "b": {"type": "null"}}}
    assert "does not match" in (wrong('{"a": " - "}', schema) or "")
    assert "not of type" in (wrong('{"b": 1}', schema) or "")
    named = {"patternProperties": {pattern: {"type": "null"}}, "additionalProperties": False}
    assert "unexpected" in (wrong('{" - ": null}', named) or "")


@pytest.mark.parametrize("schema", [{"pattern": "(ab"}, {"patternProperties": {"(ab": True}}])
def test_a_pattern_that_nobody_can_read_is_named(schema: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"no JSON schema: '\(ab' is not a 'regex'"):
        wrong("{}", {"properties": {"a": schema}})


def test_a_pattern_that_would_become_too_large_is_the_clients_mistake() -> None:
    schema = {"properties": {"a": {"pattern": "(?=a)(?:(?:a{1000}){1000}){10}"}}}
    with pytest.raises(InvalidRequest, match=r"parameters: the pattern .* 10000 parts") as caught:
        wrong("{}", schema)
    assert caught.value.param == "tools[0].function.parameters"


def test_a_pattern_in_what_is_read_as_a_schema_only_later_is_not_passed_over() -> None:
    schema = {"$ref": "#/x/y", "x": {"y": {"properties": {"a": {"pattern": "("}}}}}
    assert "the pattern '('" in (wrong('{"a": "b"}', schema) or "")


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a" * 25 + "!": {"const": 1}}, "propertyNames": {"pattern": "^(a+)+$"}},
        {"patternProperties": {"^(a+)+$": True}, "additionalProperties": False},
        {"patternProperties": {"^(a+)+$": True}, "unevaluatedProperties": False},
        {"additionalProperties": {"pattern": "^(a+)+$"}},
        {"additionalProperties": {"format": "regex", "pattern": "^(a+)+$"}},
        {
            "additionalProperties": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "pattern": "^(a+)+$",
            }
        },
        {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "allOf": [{"patternProperties": {"^(a+)+$": True}}],
            "unevaluatedProperties": False,
        },
    ],
)
def test_a_pattern_takes_no_longer_for_being_ambiguous(schema: Any) -> None:
    begun = time.thread_time()
    text = "a" * 40 + "!"
    assert wrong(json.dumps({text: text}), schema) is not None
    assert time.thread_time() - begun < 1


def test_what_takes_too_long_to_look_for_is_wrong() -> None:
    schema = {"additionalProperties": {"pattern": r"(?=x)|(.*)(.*)(.*)(.*)[^a]\1\2\3"}}
    many = json.dumps({str(at): "a" * 2000 for at in range(100)})
    begun = time.thread_time()
    assert wrong(many, schema) == "it takes too long to look for the patterns of its schema"
    assert time.thread_time() - begun < 2


@pytest.mark.parametrize(
    "said", ["https://json-schema.org/draft-07/schema#", "http://json-schema.org/draft-07/schema"]
)
def test_a_draft_may_be_spelled_in_another_way(said: str) -> None:
    schema = {"$schema": said, "properties": {"a": {"items": [{"type": "string"}]}}}
    assert "not of type" in (wrong('{"a": [1]}', schema) or "")


def test_an_unknown_draft_is_read_as_the_latest() -> None:
    part = {"$schema": "urn:mine", "prefixItems": [{"type": "string"}]}
    schema = {"$schema": "urn:mine", "properties": {"a": part}}
    assert "not of type" in (wrong('{"a": [1]}', schema) or "")


NAMES = st.sampled_from(["a", "ab", "b", "c"])
OBJECTS = st.dictionaries(NAMES, st.integers(0, 2), max_size=3)
PARTS: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([True, False, {"type": "integer"}, {"maximum": 1}, {"required": ["a"]}]),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=2),
            "patternProperties": st.dictionaries(
                st.sampled_from(["^a", "b$", "c|ab"]), inner, max_size=2
            ),
            "additionalProperties": inner,
            "unevaluatedProperties": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "if": inner,
            "then": inner,
            "else": inner,
            "dependentSchemas": st.dictionaries(NAMES, inner, max_size=1),
            "$ref": st.just("#/$defs/shared"),
        },
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(PARTS, st.sampled_from([True, {"patternProperties": {"^a": {"maximum": 1}}}]), OBJECTS)
def test_properties_are_judged_as_the_library_does(part: Any, shared: Any, value: Any) -> None:
    schema = {"allOf": [part], "$defs": {"shared": shared}}
    library: Any = Draft202012Validator(schema)
    assert (wrong(json.dumps(value), schema) is None) is library.is_valid(value)
