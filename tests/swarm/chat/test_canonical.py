"""Calls found in a stream: exactly the format, whatever the chunking."""

import json
from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.calls import HEAD_CHARACTERS, Arguments, Call
from swarm.chat.formats.canonical import CALL_CLOSE, CALL_OPEN, CallParser, Piece

LISTING = CALL_OPEN + '{"name": "list", "arguments": {"path": "/tmp"}}' + CALL_CLOSE


def parse(*chunks: str) -> list[Piece]:
    parser = CallParser()
    pieces = [piece for chunk in chunks for piece in parser.feed(chunk)]
    return joined(pieces + parser.finish())


def joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring texts as one, and every call with its arguments."""
    result: list[Piece] = []
    for piece in pieces:
        last = result[-1] if result else None
        if isinstance(piece, str) and isinstance(last, str):
            result[-1] = last + piece
        elif isinstance(piece, Arguments):
            assert isinstance(last, Call)
            result[-1] = replace(last, arguments=last.arguments + piece.text)
        else:
            result.append(piece)
    return result


def test_text_stays_text() -> None:
    assert parse("if a < b:", " pass\n") == ["if a < b: pass\n"]


def test_a_call_is_found() -> None:
    assert parse(LISTING) == [Call("list", '{"path": "/tmp"}')]


def test_text_before_a_call_is_handed_out_at_once() -> None:
    assert CallParser().feed("I will look.") == ["I will look."]


def test_the_start_of_a_mark_waits_until_it_is_clear() -> None:
    parser = CallParser()
    assert parser.feed("a <tool") == ["a"]
    assert parser.feed("box>") == [" <toolbox>"]


def test_whitespace_beside_calls_is_dropped() -> None:
    assert parse("Look:\n\n" + LISTING + "\n" + LISTING + "\n done") == [
        "Look:",
        Call("list", '{"path": "/tmp"}'),
        Call("list", '{"path": "/tmp"}'),
        "done",
    ]


def test_the_closing_mark_inside_a_string_is_content() -> None:
    arguments = {"content": f'say "{CALL_CLOSE}" \\'}
    body = json.dumps({"name": "write", "arguments": arguments})
    (call,) = parse(CALL_OPEN + body + CALL_CLOSE)
    assert isinstance(call, Call)
    assert json.loads(call.arguments) == arguments


def test_what_does_not_parse_stays_text_to_the_letter() -> None:
    for body in ("", "{", "[]", "null", '{"name": "a"}', '{"name": "", "arguments": {}}'):
        text = f"well \n{CALL_OPEN}{body}{CALL_CLOSE} then"
        assert parse(text) == [text]


def test_arguments_are_what_the_model_wrote() -> None:
    for arguments in ('{"x": NaN}', '{ "x" :1e5,"x": "\\u00e9" }', '{"x": [)]}', "{x}"):
        text = CALL_OPEN + '{"name": "a", "arguments": ' + arguments + "}" + CALL_CLOSE
        assert parse(text + "!") == [Call("a", arguments), "!"]


def test_a_call_in_another_order_waits_for_its_end() -> None:
    body = '{"arguments": {"x":1}, "name": "a"}'
    assert parse(CALL_OPEN + body + CALL_CLOSE) == [Call("a", '{"x": 1}')]
    refused = CALL_OPEN + '{"arguments": {"x": NaN}, "name": "a"}' + CALL_CLOSE
    assert parse(refused) == [refused]


def test_a_head_that_never_ends_is_no_head() -> None:
    body = '{"name":' + " " * HEAD_CHARACTERS + '"a", "arguments": {"x":1}}'
    assert parse(CALL_OPEN + body + CALL_CLOSE) == [Call("a", '{"x": 1}')]


def test_arguments_go_out_as_they_are_written() -> None:
    parser = CallParser()
    assert parser.feed(CALL_OPEN + '{"name": "a", "argu') == []
    assert parser.feed('ments": {"x": ') == [Call("a"), Arguments('{"x": ')]
    assert parser.feed('"<') == [Arguments('"<')]
    assert parser.feed('/tool_call>"') == [Arguments('/tool_call>"')]
    assert parser.feed("}") == [Arguments("}")]
    assert parser.feed("}" + CALL_CLOSE) == parser.finish() == []


def test_what_is_wrong_behind_the_head_stays_a_call() -> None:
    for broken in ('{"x": 1', '{"x": [1}', '{"x": "1'):
        text = CALL_OPEN + '{"name": "a", "arguments": ' + broken
        assert parse(text) == [Call("a", broken)]
    closed = CALL_OPEN + '{"name": "a", "arguments": {"x": 1' + CALL_CLOSE + "so"
    assert parse(closed) == [Call("a", '{"x": 1'), "so"]


def test_a_missing_mark_does_not_hide_the_next_call() -> None:
    assert parse(LISTING.removesuffix(CALL_CLOSE) + "\n" + LISTING) == [
        Call("list", '{"path": "/tmp"}'),
        Call("list", '{"path": "/tmp"}'),
    ]


def test_deep_nesting_does_not_crash() -> None:
    for order in ('{"name": "a", "arguments": {"x": ', '{"arguments": {"x": '):
        text = CALL_OPEN + order + "[" * 100_000
        assert parse(text) in ([text], [Call("a", '{"x": ' + "[" * 100_000)])


def test_a_call_that_lacks_only_its_end_is_a_call() -> None:
    assert parse(LISTING.removesuffix(CALL_CLOSE)) == [Call("list", '{"path": "/tmp"}')]


def test_a_call_that_was_cut_is_text() -> None:
    assert parse("a " + LISTING[:30]) == ["a " + LISTING[:30]]


def test_a_broken_call_does_not_hide_the_next() -> None:
    assert parse(f"{CALL_OPEN}nonsense{CALL_CLOSE}{LISTING}") == [
        f"{CALL_OPEN}nonsense{CALL_CLOSE}",
        Call("list", '{"path": "/tmp"}'),
    ]


SCRAPS = st.sampled_from(
    [
        CALL_OPEN,
        CALL_CLOSE,
        LISTING,
        "<",
        "tool",
        "_call>",
        '"',
        "\\",
        "{",
        "}",
        " ",
        "\n",
        "text",
        '{"name": ',
        '{"name": "a", "arguments": {',
        '"x": [',
    ]
)
TEXTS = st.lists(SCRAPS | st.text(max_size=5), max_size=12).map("".join)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=8))
def test_the_chunking_does_not_matter(text: str, cuts: list[int]) -> None:
    borders = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    chunks = [text[start:end] for start, end in pairwise(borders)]
    assert parse(*chunks) == parse(text)


@given(TEXTS)
def test_character_by_character_is_the_same(text: str) -> None:
    assert parse(*text) == parse(text)


@given(st.text(alphabet=st.characters(exclude_characters="<")))
def test_text_without_marks_is_untouched(text: str) -> None:
    assert "".join(piece for piece in parse(text) if isinstance(piece, str)) == text


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.text(min_size=1, max_size=64),
    st.dictionaries(st.text(), JSON_VALUES, max_size=4),
    st.integers(1, 9),
)
def test_every_call_of_the_format_comes_back(
    name: str, arguments: dict[str, object], size: int
) -> None:
    text = CALL_OPEN + json.dumps({"name": name, "arguments": arguments}) + CALL_CLOSE
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    assert parse(*chunks) == [Call(name, json.dumps(arguments))]


def test_white_space_behind_a_call_is_dropped_however_its_fields_are_ordered() -> None:
    for call in (
        LISTING,
        CALL_OPEN + '{"arguments": {"path": "/tmp"}, "name": "list"}' + CALL_CLOSE,
    ):
        made = Call("list", '{"path": "/tmp"}')
        assert parse(f"{call}\n\nThat is all.") == [made, "That is all."]
        assert parse(f"{call}\n\n{call}\n") == [made, made]
