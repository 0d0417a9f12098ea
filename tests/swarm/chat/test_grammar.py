"""What grammars let models write, byte by byte."""

import json
from typing import Any

import pytest

from swarm.chat.arguments import check_of
from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.grammar import Thinking, grammar_of, ready_tool, unenforced
from swarm.json_schema import closed_as_meant
from swarm.types import Constraint, ToolSpec
from tests.lexicon import Lexicon

LEXICON = Lexicon()
READ = ToolSpec(
    "read",
    "",
    {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
)
NOW = ToolSpec("now", "", {"type": "object", "properties": {}})
WITH_A: Any = {"properties": {"a": {"type": "string"}}, "required": ["a"]}
WITH_B: Any = {"properties": {"b": {"type": "integer"}}, "required": ["b"]}
CALL = '<tool_call>{"name": "read", "arguments": {"path": "a"}}</tool_call>'
TIME = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


def read(
    text: str,
    *,
    one_call: bool = False,
    thinking: Thinking = "never",
    offered: tuple[ToolSpec, ...] = (READ, NOW),
    **held: Any,
) -> str:
    grammar = grammar_of(
        CANONICAL, offered, Constraint(**held), one_call=one_call, thinking=thinking
    )
    assert grammar is not None
    return LEXICON.read(grammar, text)


@pytest.mark.parametrize(
    "text", ["Hello.", "", "a < b", CALL, f"I look.\n{CALL}", f"{CALL}\n{TIME}", f"{TIME}{TIME}"]
)
def test_text_is_free_and_calls_may_follow(text: str) -> None:
    assert read(text) == "whole"


@pytest.mark.parametrize(
    "text",
    [
        "<tool_call>read",
        '<tool_call>{"name": "write"',
        '<tool_call>{"name": "read", "arguments": {}',
        '<tool_call>{"name": "read", "arguments": {"path": 1',
        '<tool_call>{"name": "read", "arguments": {"path": "a", "x"',
        '<tool_call>{"name": "now", "arguments": {"path"',
        f"{CALL} and then",
        "<tool_call>" + " " * 21,
    ],
)
def test_a_call_that_its_tool_would_refuse_cannot_be_written(text: str) -> None:
    assert read(text).startswith("not after")


def test_a_call_may_be_required_and_one_alone_or_of_one_tool() -> None:
    assert read(CALL, must_call=True) == "whole"
    assert read("Hello", must_call=True).startswith("not after")
    assert read("", must_call=True) == "part"
    assert read(CALL + TIME, one_call=True).startswith("not after")
    assert read(TIME, must_call=True, tools=("read",)).startswith("not after")
    assert read(CALL, must_call=True, tools=("read",)) == "whole"


def test_of_the_offered_tools_some_may_be_all_that_is_called() -> None:
    assert read("Hello", tools=("read",)) == "whole"
    assert read(CALL, tools=("read",)) == "whole"
    assert read(TIME, tools=("read",)).startswith("not after")
    assert read(TIME, tools=("read", "now")) == "whole"


def test_reasoning_comes_first_and_is_free() -> None:
    thought = f"<think>a {CALL}</think>\n"
    assert read(thought + "Hello", thinking="perhaps") == "whole"
    assert read(thought + CALL, thinking="perhaps", must_call=True) == "whole"
    assert read("Hello", thinking="perhaps") == "whole"
    assert read("<think>it goes on", thinking="perhaps") == "part"
    assert read(f"so {CALL}</think>{CALL}", thinking="opened", must_call=True) == "whole"
    assert read(f"so {CALL}", thinking="opened") == "part"


def test_an_answer_of_json_satisfies_its_schema() -> None:
    schema = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}})
    held: Any = {"schema": schema, "tools": ()}
    assert read('{"a": 1}\n', **held) == "whole"
    assert read('{"a": "1"', **held).startswith("not after")
    assert read("Here is", **held).startswith("not after")
    assert read('<think>x</think> {"a": 1}', thinking="perhaps", **held) == "whole"
    both: Any = {"schema": schema}
    assert read('{"a": 1}', **both) == "whole"
    assert read(CALL, **both) == "whole"
    assert read("Hello", **both).startswith("not after")


def test_where_everything_is_allowed_there_is_no_grammar() -> None:
    assert grammar_of(CANONICAL, [], Constraint(), one_call=False, thinking="never") is None


def test_a_mark_that_is_a_control_token_is_only_that_token() -> None:
    lexicon = Lexicon(["<tool_call>"])
    grammar = grammar_of(CANONICAL, [READ], Constraint(), one_call=False, thinking="never")
    assert grammar is not None
    assert lexicon.read(grammar, f"I look. {CALL}") == "whole"
    spelled = Lexicon(["<other>"])
    assert spelled.read(grammar, f"I look. {CALL}") == "whole"


def test_what_a_grammar_leaves_open_is_told() -> None:
    assert unenforced(READ.parameters) == ()
    assert "uniqueItems" in unenforced({"type": "array", "uniqueItems": True})[0]
    assert unenforced({"pattern": "(?=a)b"}) == ("the pattern '(?=a)b'",)
    assert unenforced({"pattern": r"a\b"}) == (r"the pattern 'a\\b'",)
    assert unenforced({"format": "int32"}) == ()
    assert unenforced({"format": "regex"}) == ("Unknown format: regex",)
    with pytest.raises(ValueError, match="minLength"):
        unenforced({"type": "string", "minLength": 3, "maxLength": 2})


@pytest.mark.parametrize(
    "said",
    ["https://json-schema.org/draft-07/schema#", "urn:mine", "http://json-schema.org/schema#"],
)
def test_a_draft_that_is_spelled_in_another_way_or_unknown_is_no_hindrance(said: str) -> None:
    part = {"$schema": said, "type": "string", "pattern": "^a$"}
    assert unenforced({"$schema": said, "type": "object", "properties": {"a": part}}) == ()


@pytest.mark.parametrize(
    "idle",
    [
        {"propertyNames": {"type": "string"}},
        {"propertyNames": True},
        {"uniqueItems": False},
        {"dependentRequired": {}},
        {"dependentSchemas": {}},
        {"unevaluatedProperties": True},
        {"unevaluatedItems": {}},
        {"not": False},
        {"contains": {"const": 1}, "minContains": 0},
    ],
)
def test_words_that_ask_for_nothing_are_no_hindrance(idle: dict[str, Any]) -> None:
    nested = {"anyOf": [{"type": "integer", **idle}], "const": 1}
    schema = {"properties": {"a": nested}, "$defs": {"b": [idle]}, "items": idle, **idle}
    assert unenforced(schema) == ()


@pytest.mark.parametrize(
    "asking",
    [
        {"propertyNames": {"type": "string", "pattern": "^a"}},
        {"uniqueItems": True},
        {"dependentRequired": {"uniqueItems": ["a"]}},
        {"unevaluatedItems": False},
        {"not": {"uniqueItems": False}},
        {"contains": {"const": 1}, "minContains": 0, "maxContains": 1},
        {"contains": {"const": 1}},
    ],
)
def test_words_that_ask_for_something_are_told(asking: dict[str, Any]) -> None:
    assert next(iter(asking)) in unenforced({"items": asking})[0]


def test_a_property_or_a_constant_may_be_called_as_such_a_word() -> None:
    schema = {
        "type": "object",
        "properties": {"not": False, "uniqueItems": {"const": {"not": False}}},
        "required": ["uniqueItems"],
        "additionalProperties": False,
    }
    held: Any = {"schema": json.dumps(schema), "tools": ()}
    assert read('{"uniqueItems": {"not": false}}', **held) == "whole"
    assert read('{"not"', **held).startswith("not after")


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": [{"$ref": "#/$defs/a"}, WITH_B], "$defs": {"a": WITH_A}},
        {"oneOf": [WITH_A, WITH_B], "$schema": "http://json-schema.org/draft-07/schema#"},
        {"properties": {"a": {"type": "string"}}, "anyOf": [WITH_A, WITH_B]},
    ],
)
def test_a_tool_whose_variants_are_closed_from_outside_takes_each_of_them(
    schema: dict[str, Any],
) -> None:
    """As OpenCode closes the tools of MCP servers."""
    named = schema.get("properties", {})
    closed = {**schema, "type": "object", "properties": named, "additionalProperties": False}
    odd = ToolSpec("odd", "", closed_as_meant(closed))
    check = check_of(odd.parameters, "here")
    head = '<tool_call>{"name": "odd", "arguments": '
    for given in ('{"a": "x"}', '{"b": 1}'):
        assert read(f"{head}{given}}}</tool_call>", offered=(odd,)) == "whole"
        assert check(given) is None
    for wrong in ("{}", '{"c": 1}', '{"b": "x"}'):
        assert read(f"{head}{wrong}}}</tool_call>", offered=(odd,)).startswith("not after")
        assert check(wrong) is not None


def test_what_a_schema_quotes_of_another_is_left_alone() -> None:
    held: Any = {"schema": json.dumps({"const": {"$schema": "urn:mine"}}), "tools": ()}
    assert read('{"$schema": "urn:mine"}', **held) == "whole"


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        (r"^\p{L}+$", "ä"),
        (r"(?<y>\d{4})", "2020"),
        (r"^[\w-\.]+$", "a.b"),
        (r"^(\p{Extended_Pictographic}|\p{Emoji_Component})+$", "😀"),
    ],
)
def test_a_model_is_held_to_a_pattern_of_javascript(pattern: str, fits: str) -> None:
    assert unenforced({"pattern": pattern}) == ()
    held: Any = {"schema": json.dumps({"type": "string", "pattern": pattern}), "tools": ()}
    assert read(json.dumps(fits, ensure_ascii=False), **held) == "whole"
    assert read('"!"', **held).startswith("not after")


def test_beside_a_pattern_that_no_grammar_reads_the_rest_of_a_tool_is_held() -> None:
    to = {"type": "string", "pattern": "(?!a)", "maxLength": 3}
    schema = {"properties": {"to": to, "at": {"type": "integer"}}, "required": ["to"]}
    held: Any = {"offered": (ToolSpec("t", "", {**schema, "additionalProperties": False}),)}
    head = '<tool_call>{"name": "t", "arguments": {'
    assert read(head + '"to": "abc", "at": 1}}</tool_call>', **held) == "whole"
    for wrong in ('"to": 1', '"to": "abcd', '"at"', '"to": "a", "at": "'):
        assert read(head + wrong, **held).startswith("not after")
    assert unenforced(schema) == ("the pattern '(?!a)'",)


def test_where_no_grammar_reads_a_pattern_of_names_other_properties_are_free() -> None:
    named = {"a": {"type": "integer"}}
    closed = {"patternProperties": {"(?!a)": {}}, "additionalProperties": False}
    tool = ToolSpec("t", "", {"properties": named, **closed})
    free = {"type": "object", "properties": named, "additionalProperties": True}
    assert ready_tool(tool).parameters == free


def test_a_tool_whose_schema_cannot_be_compiled_takes_any_object() -> None:
    both = [{"pattern": "^(a|b)*a(a|b){200}$"}, {"pattern": "^(a|b)*b(a|b){201}$"}]
    tool = ToolSpec("t", "", {"properties": {"a": {"allOf": both}}})
    assert ready_tool(tool).parameters == {"type": "object"}


@pytest.mark.parametrize(
    "schema",
    [
        {"required": ["a", "b"]},
        {"dependentRequired": {"a": ["b"]}},
        {"dependencies": {"a": {"properties": {"b": {"type": "integer"}}, "required": ["b"]}}},
    ],
)
def test_a_property_that_is_needed_but_named_elsewhere_can_be_written(schema: Any) -> None:
    tool = ToolSpec("t", "", {"properties": {"a": {"type": "string"}}, **schema})
    call = '<tool_call>{"name": "t", "arguments": {"a": "x", "b": 1}}</tool_call>'
    assert read(call, offered=(READ, tool)) == "whole"
    assert read(CALL, offered=(READ, tool)) == "whole"


@pytest.mark.parametrize("name", ['say "x"', "büro", "a\\b", "new\nline", "tab\t", "</tool_call>"])
def test_a_tool_may_have_any_name(name: str) -> None:
    call = f'<tool_call>{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {{}}}}'
    assert read(call + "</tool_call>", offered=(ToolSpec(name, "", {}),)) == "whole"
