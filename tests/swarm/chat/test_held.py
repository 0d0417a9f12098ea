"""Calls that wait until it is known that they are right."""

from dataclasses import replace

from swarm.chat.arguments import checks_of
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import CompletionParser, Piece, Text
from swarm.chat.formats.canonical import CallParser
from swarm.chat.held import HeldCalls, may_be_wrong
from swarm.types import ToolSpec

IDS = {"ids": {"type": "array", "uniqueItems": True}}
LIST = ToolSpec("list", "", {"type": "object", "properties": IDS})
RIGHT = '<tool_call>{"name": "list", "arguments": {"ids": [1, 2]}}</tool_call>'
WRONG = '<tool_call>{"name": "list", "arguments": {"ids": [1, 1]}}</tool_call>'
OTHER = '<tool_call>{"name": "read", "arguments": {}}</tool_call>'


def parsed(text: str) -> tuple[list[Piece], int]:
    parser = CompletionParser(CallParser(), held=HeldCalls(checks_of([LIST])))
    pieces = [piece for letter in text for piece in parser.feed(letter)]
    pieces += parser.finish("stop")[0]
    return pieces, parser.calls_seen


def test_a_right_call_is_passed_on_whole() -> None:
    assert parsed(RIGHT) == ([Call("list", '{"ids": [1, 2]}')], 1)


def test_a_wrong_call_is_text_and_no_call() -> None:
    assert parsed(WRONG) == ([Text(WRONG)], 0)


def test_what_is_wrong_with_the_first_wrong_call_is_said() -> None:
    parser = CompletionParser(CallParser(), held=HeldCalls(checks_of([LIST])))
    parser.feed(RIGHT)
    assert parser.flaw is None
    parser.feed(WRONG + WRONG.replace("[1, 1]", "1"))
    parser.finish("stop")
    assert parser.flaw is not None
    assert parser.flaw.startswith("list: ")
    assert "unique" in parser.flaw
    assert CompletionParser(None).flaw is None


def test_a_wrong_call_beside_the_text_stays_a_call_where_it_may() -> None:
    wrong, none = Call("list", '{"ids": [1, 1]}'), Call("list", "[1, 1]")
    for stays, calls in ((["list"], [wrong]), ([], [])):
        parser = CompletionParser(CallParser(), held=HeldCalls(checks_of([LIST]), stays))
        pieces = [*parser.feed(WRONG, calls=[wrong, none]), *parser.finish("stop")[0]]
        assert [piece for piece in pieces if isinstance(piece, Call)] == calls
        assert len([piece for piece in pieces if isinstance(piece, Text)]) == 3 - len(calls)
        assert parser.flaw is not None
        assert "unique" in parser.flaw
        assert parser.beside


def test_of_tools_that_are_strict_no_wrong_call_may_be_given() -> None:
    assert may_be_wrong([LIST, replace(LIST, name="exact", strict=True)]) == {"list"}


def test_calls_of_other_tools_do_not_wait() -> None:
    pieces, seen = parsed(OTHER + WRONG + RIGHT)
    assert pieces[:2] == [Call("read"), Arguments("{")]
    assert pieces[-2:] == [Text(WRONG), Call("list", '{"ids": [1, 2]}')]
    assert seen == 2


def test_a_call_that_waits_has_begun() -> None:
    parser = CompletionParser(CallParser(), held=HeldCalls(checks_of([LIST])))
    assert parser.feed(WRONG[:-14]) == []
    assert parser.calls_begun


def test_a_call_in_which_the_answer_was_cut_stays_one_as_it_came() -> None:
    told = '{"ids": [1, 1'
    cut = f'<tool_call>{{"name": "list", "arguments": {told}'
    assert parsed(cut) == ([Call("list", told)], 1)
    assert parsed(WRONG + cut) == ([Text(WRONG), Call("list", told)], 1)
    assert parsed(WRONG.removesuffix("</tool_call>")) == ([Text(WRONG)], 0)
