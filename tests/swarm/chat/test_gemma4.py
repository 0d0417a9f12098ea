"""Objects with bare keys: as the real template writes them, and as schemas let them be."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from swarm.chat.calls import Arguments, Call
from swarm.chat.formats.format import Part
from swarm.chat.formats.gemma4 import GEMMA4
from swarm.chat.grammar import grammar_of
from swarm.chat.reasoning import Reasoning
from swarm.chat.template import ChatTemplate
from swarm.types import Constraint, Message, ToolCall, ToolSpec
from tests.lexicon import Lexicon

BUILD = Path(__file__).parents[3] / "build"
NAME = "llama_cpp_python-*/vendor/llama.cpp/models/templates/google-gemma-4-31B-it.jinja"
FOUND = list(BUILD.glob(NAME))
if not FOUND:
    pytest.skip(f"Gemma's template is not in {BUILD}: make setup", allow_module_level=True)
TEMPLATE = ChatTemplate(FOUND[0].read_text("utf-8"))
MARKS = GEMMA4.marks

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
    lambda text: '<|"|>' not in text
)
KEYS = st.text("abcXYZ_-09é\u00a0\u2028\x0b\x1f", min_size=1, max_size=5)
"""Only what JSON takes for white space is none of a key's."""
SCALARS = st.booleans() | st.integers(-999, 999) | st.sampled_from([0.5, -1.25]) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(KEYS, each, max_size=3)
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def written(arguments: dict[str, Any]) -> str:
    """The call as the template of the model shows it what it wrote before."""
    call = ToolCall("a", "try", json.dumps(arguments))
    turns = [Message("user", "x"), Message("assistant", None, tool_calls=(call,))]
    text = TEMPLATE.render([*turns, Message("tool", "r", tool_call_id="a")])
    return text[text.index("<|tool_call>") : text.index("<|tool_response>")]


def read(text: str, step: int = 10**6) -> list[Part]:
    parser = GEMMA4.parser([])
    parts = [part for at in range(0, len(text), step) for part in parser.feed(text[at : at + step])]
    return [*parts, *parser.finish()]


def arguments_of(text: str, step: int = 10**6) -> Any:
    parts = read(text, step)
    assert parts[0] == Call("try")
    return json.loads("".join(part.text for part in parts[1:] if isinstance(part, Arguments)))


def held(text: str, schema: dict[str, Any], control: tuple[str, ...] = ()) -> str:
    tool = ToolSpec("try", "", schema)
    grammar = grammar_of(GEMMA4, [tool], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    return Lexicon(control).read(grammar, text)


@settings(max_examples=150, deadline=None)
@given(OBJECTS, st.integers(1, 9))
def test_what_the_template_writes_is_read_back(arguments: dict[str, Any], step: int) -> None:
    assert arguments_of(written(arguments), step) == arguments


@settings(max_examples=60, deadline=None)
@given(OBJECTS, st.sampled_from([(), MARKS]))
def test_what_the_template_writes_may_be_written(
    arguments: dict[str, Any], control: tuple[str, ...]
) -> None:
    # A text that holds a mark would be read as its token here, which no model writes for it.
    assume(not any(mark in json.dumps(arguments) for mark in control))
    assert held(written(arguments), {"additionalProperties": True}, control) == "whole"


STEP: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/step"}},
    "required": ["name"],
    "additionalProperties": False,
}
PLAN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "first": {"$ref": "#/$defs/step"},
        "kind": {"enum": ["a", "b c", 3, None, "", "\x7f"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
        "when": {"anyOf": [{"type": "integer", "minimum": 5}, {"type": "null"}]},
        "x:y": {"type": ["boolean", "string"]},
    },
    "required": ["kind"],
    "additionalProperties": False,
    "$defs": {"step": STEP},
}


@pytest.mark.parametrize("control", [(), MARKS], ids=["letters", "tokens"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "a"},
        {"kind": "b c", "first": {"name": "", "next": {"name": "two\n"}}},
        {"kind": 3, "tags": []},
        {"kind": ""},
        {"kind": "\x7f"},
        {"kind": "a", "tags": ["a", "bcd"], "when": 7},
    ],
)
def test_values_of_a_schema_may_be_written(
    arguments: dict[str, Any], control: tuple[str, ...]
) -> None:
    text = written(arguments)
    assert held(text, PLAN, control) == "whole"
    assert arguments_of(text) == arguments


@pytest.mark.parametrize("control", [(), MARKS], ids=["letters", "tokens"])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"kind": "c"},
        {"kind": 4},
        {"kind": "a", "first": {}},
        {"kind": "a", "first": {"name": "a", "other": 1}},
        {"kind": "a", "tags": ["abcd"]},
        {"kind": "a", "tags": ["a", "b", "c"]},
        {"kind": "a", "when": 4},
        {"kind": "a", "more": 1},
    ],
)
def test_what_a_schema_forbids_cannot_be_written(
    arguments: dict[str, Any], control: tuple[str, ...]
) -> None:
    assert held(written(arguments), PLAN, control).startswith("not after")


@pytest.mark.parametrize("control", [(), MARKS], ids=["letters", "tokens"])
def test_null_is_written_as_such_and_read_as_the_template_has_it_too(
    control: tuple[str, ...],
) -> None:
    text = "<|tool_call>call:try{kind:null,when:null}<tool_call|>"
    assert held(text, PLAN, control) == "whole"
    assert "kind:None,when:None" in written({"kind": None, "when": None})
    for said in (text, written({"kind": None, "when": None})):
        assert arguments_of(said) == {"kind": None, "when": None}


@pytest.mark.parametrize("control", [(), MARKS], ids=["letters", "tokens"])
def test_a_key_that_cannot_stand_bare_is_written_as_a_string(control: tuple[str, ...]) -> None:
    text = '<|tool_call>call:try{kind:3,<|"|>x:y<|"|>:<|"|>a<|"|>}<tool_call|>'
    assert held(text, PLAN, control) == "whole"
    assert arguments_of(text) == {"kind": 3, "x:y": "a"}


@pytest.mark.parametrize(
    ("schema", "whole"),
    [
        (PLAN, True),
        ({}, True),
        ({"properties": {"a": {"type": "array", "items": {}}}}, True),
        ({"properties": {"a": {"type": "string", "pattern": "^a"}}}, False),
        ({"properties": {"a": {"type": "string", "format": "date"}}}, False),
        ({"properties": {"a": {"oneOf": [{}, {"type": "null"}]}}}, False),
        ({"properties": {"a": {"$ref": "https://example.org/a"}}}, False),
        ({"properties": {"a": False}}, False),
        ({"minProperties": 1}, False),
    ],
)
def test_what_no_grammar_of_these_objects_says_is_checked_after(
    schema: dict[str, Any], whole: bool
) -> None:
    assert GEMMA4.holds(ToolSpec("try", "", schema)) is whole


@pytest.mark.parametrize("size", [1, 3, 10**6])
@pytest.mark.parametrize("broken", ["call it", "call:", "call:a b{", "say<", "call:" + "a" * 1100])
def test_what_never_comes_to_a_name_is_text(broken: str, size: int) -> None:
    text = f"Well, <|tool_call>{broken} and so on"
    parts = read(text, size)
    assert "".join(part for part in parts if isinstance(part, str)) == text
    assert not any(isinstance(part, Call) for part in parts)


@pytest.mark.parametrize("size", [1, 4, 10**6])
def test_a_call_that_closes_too_early_is_not_mended(size: int) -> None:
    parts = read('<|tool_call>call:try{a:<|"|>b<|"|>,c<tool_call|> later', size)
    assert parts[0] == Call("try")
    text = "".join(part.text for part in parts[1:] if isinstance(part, Arguments))
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(text)


def test_reasoning_streams_as_it_is_written() -> None:
    parser = GEMMA4.parser([])
    assert parser.feed("<|channel>thought\nOne ") == [Reasoning("One")]
    assert parser.thinking
    assert parser.feed("two<chan") == [Reasoning(" two")]
    assert parser.feed("nel|>\nSo") == ["So"]
    assert not parser.thinking


def test_a_string_streams_as_it_is_written() -> None:
    parser = GEMMA4.parser([])
    assert parser.feed("<|tool_call>call:try{text:") == [Call("try"), Arguments('{"text": ')]
    assert parser.inside
    assert parser.feed('<|"|>one "t') == [Arguments('"one \\"t')]
    assert parser.feed('wo"<|"|>') == [Arguments('wo\\""')]
    assert parser.feed("}") == [Arguments("}")]
    assert not parser.inside
