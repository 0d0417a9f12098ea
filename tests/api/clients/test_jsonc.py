"""A person's file keeps what it has, whatever is put into it."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.clients.jsonc import append, parse, put
from swarm.errors import ConfigurationError

FILE = """\
// mine
{
  "$schema": "x", // of the client
  /* the model
     that I like */
  "model": "other/one",
  "provider": {
    "other": { "name": "Other" }, // keep
    // last word
  },
  "list": ["a"]
}
"""


def test_comments_and_trailing_commas_are_read() -> None:
    assert parse(FILE) == {
        "$schema": "x",
        "model": "other/one",
        "provider": {"other": {"name": "Other"}},
        "list": ["a"],
    }


def test_a_member_comes_behind_the_last_one_and_its_comment() -> None:
    assert put(FILE, ["provider", "swarm", "npm"], "p") == FILE.replace(
        '"Other" }, // keep\n',
        '"Other" }, // keep\n    "swarm": {\n      "npm": "p"\n    },\n',
    )


def test_the_comma_stands_before_the_comment_of_the_member_above() -> None:
    text = '{\n  "a": 1 // one\n}\n'
    assert put(text, ["b"], 2) == '{\n  "a": 1, // one\n  "b": 2\n}\n'


def test_a_value_is_replaced_where_it_stands() -> None:
    assert put(FILE, ["model"], {"a": 1}) == FILE.replace('"other/one"', '{\n    "a": 1\n  }')


def test_what_is_so_already_is_not_touched() -> None:
    odd = '{"a" : 1.0,"b":{ }}'
    assert put(odd, ["a"], 1.0) == odd
    assert put(odd, ["b"], {}) == odd


def test_one_line_stays_one_line() -> None:
    assert put('{"a": {"b": 1}}', ["a", "c"], 2) == '{"a": {"b": 1, "c": 2}}'
    assert append('{"list": ["a",]}', ["list"], "b") == '{"list": ["a", "b"]}'


def test_an_empty_object_is_opened() -> None:
    assert put("{}", ["a"], 1) == '{\n  "a": 1\n}'
    assert put("{ /* none yet */ }\n", ["a"], 1) == '{ /* none yet */\n  "a": 1\n}\n'


def test_indentation_and_line_ends_are_the_files_own() -> None:
    text = '{\r\n\t"a": {\r\n\t\t"b": 1\r\n\t}\r\n}\r\n'
    assert put(text, ["a", "c", "d"], 2) == text.replace(
        '"b": 1', '"b": 1,\r\n\t\t"c": {\r\n\t\t\t"d": 2\r\n\t\t}'
    )


def test_the_last_of_two_keys_counts() -> None:
    assert put('{"a": 1, "a": 2}', ["a"], 3) == '{"a": 1, "a": 3}'


def test_a_reference_without_quotes_is_a_value_that_stays() -> None:
    text = '{"a": {env:MINE}, "b": [{file:~/my file.json}, 1], "c": { "d": {env:D} }}'
    assert parse(text) == {
        "a": "{env:MINE}",
        "b": ["{file:~/my file.json}", 1],
        "c": {"d": "{env:D}"},
    }
    assert put(text, ["c", "e"], 2) == text.replace("{env:D}", '{env:D}, "e": 2')
    assert put(text, ["c", "d"], 2) == text.replace("{env:D}", "2")
    with pytest.raises(ConfigurationError, match="a is not an object"):
        put(text, ["a", "b"], 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "a" 1}', "line 2, column 7: ':'"),
        ("", "line 1, column 1: a value"),
        ('{"a": 1 "b": 2}', "',' or '}'"),
        ("{a: 1}", "a value was expected"),
        ("{1: 1}", "a key in double quotes"),
        ("{{env:A}: 1}", "a value was expected"),
        ('{"a": {env:}}', "a value was expected"),
        ("{} {}", "something follows"),
        ('{"a": 1', "a value was expected|',' or"),
        ("[,]", "a value was expected"),
        ('{"a": "\\x"}', "escape"),
        ("[" * 200, "nested too deeply"),
    ],
)
def test_a_broken_file_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse(text)


def test_nothing_is_put_into_what_is_no_object() -> None:
    with pytest.raises(ConfigurationError, match="provider is not an object"):
        put('{"provider": 7}', ["provider", "swarm"], {})
    with pytest.raises(ConfigurationError, match="the file is not an object"):
        put("[]", ["a"], 1)
    with pytest.raises(ConfigurationError, match="list is not a list"):
        append('{"list": 1}', ["list"], 1)


names = st.sampled_from(["a", "b", "c", "d"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def commented(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """An object, and a text of it with comments, commas and blanks of all kinds."""
    value = draw(st.dictionaries(names, values, max_size=4))
    return value, _spread(draw, value)


def _spread(draw: st.DrawFn, value: Any) -> str:
    def gap() -> str:
        return draw(st.sampled_from(["", " ", "\n", "\n  ", "/* c */", " // d\n", "\t"]))

    def joined(items: list[str], ends: str) -> str:
        inside = ",".join(f"{gap()}{item}{gap()}" for item in items)
        comma = draw(st.sampled_from(["", ","])) if items else ""
        return f"{ends[0]}{inside}{comma}{gap()}{ends[1]}"

    if isinstance(value, dict):
        return joined(
            [f"{json.dumps(k)}{gap()}:{gap()}{_spread(draw, v)}" for k, v in value.items()], "{}"
        )
    if isinstance(value, list):
        return joined([_spread(draw, item) for item in value], "[]")
    return json.dumps(value)


def _merged(value: Any, path: list[str], new: Any) -> Any:
    if not path:
        return new
    return {**value, path[0]: _merged(value.get(path[0], {}), path[1:], new)}


@given(commented(), st.lists(names, min_size=1, max_size=3), values)
def test_only_what_is_put_changes(
    file: tuple[dict[str, Any], str], path: list[str], new: Any
) -> None:
    value, text = file
    assert parse(text) == value
    try:
        expected = _merged(value, path, new)
    except (AttributeError, TypeError):
        with pytest.raises(ConfigurationError, match="is not an object"):
            put(text, path, new)
        return
    written = put(text, path, new)
    assert parse(written) == expected
    if _at(value, path) is _NOTHING:
        assert re.findall(r"/\* c \*/|// d\n", written) == re.findall(r"/\* c \*/|// d\n", text)
    assert put(written, path, new) == written


_NOTHING = object()


def _at(value: Any, path: list[str]) -> Any:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return _NOTHING
        value = value[step]
    return value
