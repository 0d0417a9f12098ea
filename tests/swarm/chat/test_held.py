"""Calls that wait until it is known that they are right."""

from swarm.chat.arguments import checks_of
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import CompletionParser, Piece, Text
from swarm.chat.formats.canonical import CallParser
from swarm.chat.held import HeldCalls
from swarm.types import ToolSpec

LIST = ToolSpec("list", "", {"properties": {"ids": {"type": "array", "uniqueItems": True}}})
RIGHT = '<tool_call>{"name": "list", "arguments": {"ids": [1, 2]}}</tool_call>'
WRONG = '<tool_call>{"name": "list", "arguments": {"ids": [1, 1]}}</tool_call>'
OTHER = '<tool_call>{"name": "read", "arguments": {}}</tool_call>'


def parsed(text: str) -> tuple[list[Piece], int]:
    parser = CompletionParser(CallParser(), held=HeldCalls(checks_of([LIST])))
    pieces = [piece for letter in text for piece in parser.feed(letter)]
    pieces += parser.finish()
    return pieces, parser.calls_seen


def test_a_right_call_is_passed_on_whole() -> None:
    assert parsed(RIGHT) == ([Call("list", '{"ids": [1, 2]}')], 1)


def test_a_wrong_call_is_text_and_no_call() -> None:
    assert parsed(WRONG) == ([Text(WRONG)], 0)


def test_calls_of_other_tools_do_not_wait() -> None:
    pieces, seen = parsed(OTHER + WRONG + RIGHT)
    assert pieces[:2] == [Call("read"), Arguments("{")]
    assert pieces[-2:] == [Text(WRONG), Call("list", '{"ids": [1, 2]}')]
    assert seen == 2


def test_a_call_that_waits_has_begun() -> None:
    parser = CompletionParser(CallParser(), held=HeldCalls(checks_of([LIST])))
    assert parser.feed(WRONG[:-14]) == []
    assert parser.calls_begun
