"""Which tools can be held to their schema where arguments stand one by one."""

from typing import Any

import pytest

from swarm.chat.formats.tagged import holds, is_plain
from swarm.types import ToolSpec


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        ({"type": "string", "description": "a"}, True),
        ({"type": "string", "maxLength": 3}, True),
        ({"type": "string", "enum": ["a"]}, False),
        ({"type": "string", "pattern": "a"}, False),
        ({"type": ["string", "null"]}, False),
        ({"type": "integer"}, False),
        (True, False),
    ],
)
def test_only_simple_strings_stand_as_they_are(schema: Any, plain: bool) -> None:
    assert is_plain(schema) is plain


@pytest.mark.parametrize(
    ("parameters", "held"),
    [
        ({}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, True),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {}}}, True),
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {}}}, False),
        ({"properties": {"a": {}}, "minProperties": 1}, False),
        ({"properties": {"a": {}}, "required": ["b"]}, False),
        ({"properties": {"a>b": {}}}, False),
        ({"anyOf": [{"required": ["a"]}]}, False),
    ],
)
def test_what_parameters_one_by_one_cannot_say_is_checked_after(
    parameters: Any, held: bool
) -> None:
    assert holds(ToolSpec("t", "", parameters)) is held
