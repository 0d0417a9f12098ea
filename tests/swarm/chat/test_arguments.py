"""Arguments against the schemas of their tools."""

from typing import Any

import pytest

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
