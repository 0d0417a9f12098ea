"""Reasoning apart from the answer, whatever the chunking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import CompletionParser, Reasoning, Text
from swarm.chat.formats.beside import BESIDE
from swarm.chat.formats.canonical import CallParser
from swarm.chat.formats.harmony import HarmonyParser
from swarm.chat.reasoning import Part, ReasoningSplitter
from swarm.engines.base import Delta
from swarm.propose import Reader
from swarm.proposer import Said


def split(*chunks: str, opened: bool = False) -> tuple[str, str]:
    splitter = ReasoningSplitter(opened=opened)
    parts: list[Part] = [part for chunk in chunks for part in splitter.feed(chunk)]
    parts += splitter.finish()
    reasoning = "".join(text for kind, text in parts if kind == "reasoning")
    return reasoning, "".join(text for kind, text in parts if kind == "answer")


def test_an_answer_without_reasoning_is_untouched() -> None:
    assert split("  Four. ", "<think> is a tag.") == ("", "  Four. <think> is a tag.")


def test_reasoning_comes_first_and_apart() -> None:
    assert split("<think>\ntwo and two\n</think>\n\nFour.") == ("two and two", "Four.")


def test_a_prompt_that_opened_the_reasoning_is_followed() -> None:
    assert split("two and two</think>Four.", opened=True) == ("two and two", "Four.")


def test_reasoning_that_never_ends_is_all_reasoning() -> None:
    assert split("<think>two and <", "/thi") == ("two and </thi", "")


def test_the_start_of_a_mark_alone_is_an_answer() -> None:
    assert split("<thi") == ("", "<thi")


SCRAPS = st.sampled_from(["<think>", "</think>", "<", "thi", "nk>", "</", " ", "\n", "a"])


@given(st.lists(SCRAPS, max_size=10).map("".join), st.booleans())
def test_the_chunking_does_not_matter(text: str, opened: bool) -> None:
    assert split(*text, opened=opened) == split(text, opened=opened)


def completion(text: str, *, calls: bool = True, one_call: bool = False) -> list[object]:
    parser = CompletionParser(CallParser() if calls else None, one_call=one_call)
    return [*parser.feed(text), *parser.finish("stop")[0]]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("", "Four.", "Four."),
        ("\n", "\n\nFour.", "Four."),
        ("Two. ", " Four.", "Two.  Four."),
        ("<thi", "Four.", "<thiFour."),
        ("<think>a</think>Two.", "<think>b", "Two.<think>b"),
    ],
)
def test_reasoning_that_an_engine_tells_apart_stays_so_wherever_it_comes(
    before: str, after: str, text: str
) -> None:
    parser = CompletionParser(None)
    pieces = [*parser.feed(before), *parser.feed("", "two and <think> ")]
    pieces += [*parser.feed(after, "two</think>"), *parser.finish("stop")[0]]
    thought = "".join(piece.text for piece in pieces if isinstance(piece, Reasoning))
    assert thought.endswith("two and <think> two</think>")
    assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == text


CALL = '<tool_call>{"name": "a", "arguments": {}}</tool_call>'


def test_a_completion_has_reasoning_text_and_calls() -> None:
    assert completion(f"<think>hm</think>I look.{CALL}") == [
        Reasoning("hm"),
        Text("I look."),
        Call("a"),
        Arguments("{}"),
    ]


def test_a_call_inside_reasoning_is_reasoning() -> None:
    assert completion(f"<think>{CALL}</think>no") == [Reasoning(CALL), Text("no")]


def test_without_tools_a_call_is_text() -> None:
    assert completion(CALL, calls=False) == [Text(CALL)]


def test_one_call_keeps_the_first_and_drops_what_follows() -> None:
    assert completion(f"x{CALL}{CALL} y", one_call=True) == [
        Text("x"),
        Call("a"),
        Arguments("{}"),
    ]


def test_it_is_known_what_the_next_text_belongs_to() -> None:
    """Tokens are counted as reasoning by it, before their text is told apart."""
    ours = CompletionParser(CallParser(), reasoning_opened=True)
    marked = CompletionParser(HarmonyParser(), own_reasoning=True)
    alone = CompletionParser(None, own_reasoning=True)
    assert [parser.in_reasoning for parser in (ours, marked, alone)] == [True, False, False]
    ours.feed("two and two</think>Four")
    marked.feed("<|channel|>analysis<|message|>two")
    assert [parser.in_reasoning for parser in (ours, marked)] == [False, True]
    marked.feed(" and two<|end|><|start|>assistant<|channel|>final<|message|>Four")
    assert not marked.in_reasoning


def test_a_call_has_begun_from_its_mark_on_and_for_good() -> None:
    parser = CompletionParser(CallParser())
    parser.feed("I look. ")
    assert not parser.calls_begun
    parser.feed('<tool_call>{"name"')
    assert (parser.calls_begun, parser.calls_seen) == (True, 0)
    parser.feed(': "list", "arguments": {}}</tool_call>')
    assert (parser.calls_begun, parser.calls_seen) == (True, 1)
    assert not CompletionParser(None).calls_begun


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [("{}", "tool_calls"), ('{"a": }', "tool_calls"), ('{"a": "}', "length"), ("", "length")],
)
def test_calls_that_an_engine_tells_apart_come_behind_the_text(arguments: str, reason: str) -> None:
    parser = CompletionParser(BESIDE.parser([]))
    calls = [Call("b", "{}"), Call("a", arguments)]
    pieces = [*parser.feed(CALL, "hm"), *parser.feed("", "", calls)]
    rest, told = parser.finish("stop")
    assert (pieces + rest, told) == ([Reasoning("hm"), Text(CALL), *calls], reason)


def test_a_bound_on_the_length_is_told_whatever_was_called() -> None:
    parser = CompletionParser(BESIDE.parser([]))
    parser.feed("", "", [Call("a", "{}")])
    assert parser.finish("length") == ([], "length")


@pytest.mark.parametrize("held", ["\n\n", "<"])
def test_text_that_was_held_back_comes_before_the_calls_that_an_engine_tells_apart(
    held: str,
) -> None:
    parser = CompletionParser(BESIDE.parser([]), one_call=True)
    pieces = [
        *parser.feed(held),
        *parser.feed("", "", [Call("a", "{}")]),
        *parser.finish("stop")[0],
    ]
    assert pieces == [Text(held), Call("a", "{}")]


def test_tokens_of_reasoning_are_counted_however_it_is_told_apart() -> None:
    def counted(parser: CompletionParser, *deltas: Delta) -> list[int]:
        reader = Reader(parser)
        said = [news for delta in deltas for news in reader.read(delta)]
        return [news.reasoning_tokens for news in said if isinstance(news, Said)]

    ours = [Delta(0, "two ", 2), Delta(0, "and two</think>", 3), Delta(0, "Four.", 1)]
    assert counted(CompletionParser(None, reasoning_opened=True), *ours) == [2, 3, 0]
    engines = [Delta(0, "", 2, reasoning="two"), Delta(0, "Four.", 1)]
    assert counted(CompletionParser(None), *engines) == [2, 0]
    marked = [Delta(0, "<|channel|>analysis<|message|>", 3), Delta(0, "two", 1)]
    assert counted(CompletionParser(HarmonyParser(), own_reasoning=True), *marked) == [0, 1]
