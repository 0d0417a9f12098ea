"""Calls found in a stream: exactly the format, whatever the chunking."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.tool_calls import CLOSE, OPEN, Call, CallParser, Piece

LISTING = OPEN + '{"name": "list", "arguments": {"path": "/tmp"}}' + CLOSE


def parse(*chunks: str) -> list[Piece]:
    parser = CallParser()
    pieces = [piece for chunk in chunks for piece in parser.feed(chunk)]
    return joined(pieces + parser.finish())


def joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring texts as one."""
    result: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
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
    arguments = {"content": f'say "{CLOSE}" \\'}
    body = json.dumps({"name": "write", "arguments": arguments})
    (call,) = parse(OPEN + body + CLOSE)
    assert isinstance(call, Call)
    assert json.loads(call.arguments) == arguments


def test_what_does_not_parse_stays_text_to_the_letter() -> None:
    for body in ("", "{", "[]", "null", '{"name": "a"}', '{"name": "", "arguments": {}}'):
        text = f"well \n{OPEN}{body}{CLOSE} then"
        assert parse(text) == [text]


def test_numbers_that_are_not_json_are_refused() -> None:
    for number in ("NaN", "Infinity", "1e999", "1" * 5000):
        text = OPEN + '{"name": "a", "arguments": {"x": ' + number + "}}" + CLOSE
        assert parse(text) == [text]


def test_deep_nesting_is_refused_and_does_not_crash() -> None:
    text = OPEN + '{"name": "a", "arguments": {"x": ' + "[" * 100_000
    assert parse(text) == [text]


def test_a_call_that_lacks_only_its_end_is_a_call() -> None:
    assert parse(LISTING.removesuffix(CLOSE)) == [Call("list", '{"path": "/tmp"}')]


def test_a_call_that_was_cut_is_text() -> None:
    assert parse("a " + LISTING[:30]) == ["a " + LISTING[:30]]


def test_a_broken_call_does_not_hide_the_next() -> None:
    assert parse(f"{OPEN}nonsense{CLOSE}{LISTING}") == [
        f"{OPEN}nonsense{CLOSE}",
        Call("list", '{"path": "/tmp"}'),
    ]


SCRAPS = st.sampled_from(
    [
        OPEN,
        CLOSE,
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


@given(st.text(min_size=1), st.dictionaries(st.text(), JSON_VALUES, max_size=4), st.integers(1, 9))
def test_every_call_of_the_format_comes_back(
    name: str, arguments: dict[str, object], size: int
) -> None:
    text = OPEN + json.dumps({"name": name, "arguments": arguments}) + CLOSE
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    (call,) = parse(*chunks)
    assert isinstance(call, Call)
    assert call.name == name
    assert json.loads(call.arguments) == arguments
