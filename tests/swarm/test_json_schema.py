"""What a schema says, as its author meant it."""

from typing import Any

import pytest

from swarm.json_schema import closed_as_meant

A: Any = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
B: Any = {"properties": {"b": {"type": "string"}}, "required": ["b"]}


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """As OpenCode sends each tool of an MCP server."""
    properties = schema.get("properties", {})
    return {**schema, "type": "object", "properties": properties, "additionalProperties": False}


def known(schema: dict[str, Any]) -> list[str] | None:
    """The names that may stand in the object, None where any may."""
    meant = closed_as_meant(closed(schema))
    return list(meant["properties"]) if "additionalProperties" in meant else None


@pytest.mark.parametrize(
    ("schema", "names"),
    [
        ({"anyOf": [A, B]}, ["a", "b"]),
        ({"oneOf": [A, {"allOf": [B, True]}]}, ["a", "b"]),
        ({"allOf": [{"$ref": "#/$defs/a"}, B], "$defs": {"a": A}}, ["a", "b"]),
        ({"$ref": "#/definitions/x~1y%20z", "definitions": {"x/y z": A}}, ["a"]),
        ({"anyOf": [{"$ref": "#"}, {"$ref": "#/anyOf/0"}], "properties": {"c": {}}}, None),
        ({"anyOf": [{"$ref": "#"}, A], "properties": {"c": {}}}, ["c", "a"]),
        ({"required": ["b", "a"]}, ["b", "a"]),
        ({**A, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, ["a", "b"]),
        ({**A, "if": {"required": ["a"]}, "then": B, "else": {"required": ["c"]}}, ["a", "b", "c"]),
        ({**A, "dependentSchemas": {"a": B}, "dependentRequired": {"b": ["c"]}}, ["a", "c", "b"]),
        ({**A, "dependencies": {"a": ["b"], "b": {"required": ["c"]}}}, ["a", "b", "c"]),
        ({**A, "not": B}, ["a"]),
        ({"anyOf": [A, {"additionalProperties": {"type": "string"}}]}, None),
        ({"anyOf": [A, {"patternProperties": {"^x": {}}}]}, None),
        ({"anyOf": [A, {"$ref": "#name"}]}, None),
        ({"anyOf": [A, {"additionalProperties": False, **B}]}, ["a", "b"]),
        ({**A, "patternProperties": {"^x": {}}}, ["a"]),
    ],
)
def test_a_closed_object_knows_the_names_of_all_its_parts(
    schema: dict[str, Any], names: list[str] | None
) -> None:
    assert known(schema) == names


@pytest.mark.parametrize("schema", [{"anyOf": [A, B]}, closed(A), {**A, "required": ["b"]}])
def test_what_is_open_or_names_all_of_them_is_left_alone(schema: dict[str, Any]) -> None:
    assert closed_as_meant(schema) is schema


@pytest.mark.parametrize("odd", [{"allOf": 1, "$ref": 2}, {"required": True, "dependencies": []}])
def test_what_is_no_schema_is_none_of_its_business(odd: dict[str, Any]) -> None:
    assert known(odd) == []
