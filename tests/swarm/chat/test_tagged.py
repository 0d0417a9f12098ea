"""Which tools can be held to their schema where arguments stand one by one."""

from typing import Any

import pytest

from swarm.chat.calls import HEAD_CHARACTERS, Arguments, Call
from swarm.chat.formats.format import Part
from swarm.chat.formats.glm import GLM
from swarm.chat.formats.tagged import holds, is_plain
from swarm.chat.grammar import grammar_of
from swarm.types import Constraint, ToolSpec
from tests.lexicon import Lexicon


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
        ({"properties": {"a": {"$ref": "#/properties/b"}, "b": {}}}, True),
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


@pytest.mark.parametrize("draft", [{}, {"$schema": "http://json-schema.org/draft-07/schema#"}])
@pytest.mark.parametrize("place", ["#/properties/all/items", "#/$defs/list", "#"])
def test_a_value_may_refer_to_any_part_of_the_whole_schema(
    place: str, draft: dict[str, str]
) -> None:
    lists: dict[str, Any] = {"type": "object", "properties": {"all": {"type": "array"}}}
    named = {"all": {"type": "array", "items": lists}, "other": {"$ref": place}}
    schema = {**draft, "properties": named, "$defs": {"list": lists}}
    tool = ToolSpec("find", "", schema)
    grammar = grammar_of(GLM, [tool], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    head = "<tool_call>find\n<arg_key>other</arg_key>\n<arg_value>"
    end = "</arg_value>\n</tool_call>"
    assert Lexicon().read(grammar, head + '{"all": [{}]}' + end) == "whole"
    assert Lexicon().read(grammar, head + '{"all": 1').startswith("not after")


def test_a_property_that_is_named_has_its_own_value_only() -> None:
    schema = {"properties": {"path": {"type": "integer"}}, "additionalProperties": True}
    tool = ToolSpec("write", "", schema)
    grammar = grammar_of(GLM, [tool], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    head = "<tool_call>write\n<arg_key>path</arg_key>\n<arg_value>"
    assert Lexicon().read(grammar, head + "1") == "part"
    assert Lexicon().read(grammar, head + '"a"').startswith("not after")
    again = head + "1</arg_value>\n<arg_key>path</arg_key>"
    assert Lexicon().read(grammar, again + "\n").startswith("not after")


def read(output: str, size: int) -> tuple[str, list[Part]]:
    """The text, and the rest, of an output that comes in parts of `size` characters."""
    parser = GLM.parser([])
    parts: list[Part] = []
    for at in range(0, len(output), size):
        parts += parser.feed(output[at : at + size])
    parts += parser.finish()
    text = "".join(part for part in parts if isinstance(part, str))
    return text, [part for part in parts if not isinstance(part, str)]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_never_comes_to_a_name_is_text_and_calls_behind_it_are_read(size: int) -> None:
    words = "no name " * HEAD_CHARACTERS
    assert read(f"<tool_call>{words}<tool_call>now</tool_call>", size) == (
        f"<tool_call>{words.rstrip()}",
        [Call("now"), Arguments("{}")],
    )


@pytest.mark.parametrize("rest", ["", "\n", "\n</tool", "</tool_call"])
def test_a_call_that_lacks_only_its_closing_mark_is_whole(rest: str) -> None:
    assert read(f"<tool_call>now\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>{rest}", 1)[1] == [
        Call("now"),
        Arguments('{"a": '),
        Arguments("1"),
        Arguments("}"),
    ]


@pytest.mark.parametrize(
    "rest", ["<", "<arg_k", "<arg_key>b", "<arg_key>b</arg_key>\n", " and more"]
)
def test_a_call_that_stops_before_a_value_stays_unfinished(rest: str) -> None:
    assert read(f"<tool_call>now\n<arg_key>a</arg_key>\n<arg_value>1</arg_value>{rest}", 1)[1] == [
        Call("now"),
        Arguments('{"a": '),
        Arguments("1"),
    ]
