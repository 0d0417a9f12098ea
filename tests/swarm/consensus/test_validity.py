"""Who may vote."""

from dataclasses import replace

import pytest

from swarm.consensus.validity import flaw, loops, not_json
from swarm.types import Candidate
from tests.swarm.consensus.votes import call


def refuses(arguments: str) -> str | None:
    return None if arguments == "{}" else "path is missing"


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (Candidate("v", "fine"), None),
        (Candidate("v", " \n"), "empty"),
        (Candidate("v", "", (call("read", "{}"),)), None),
        (Candidate("v", "", (call("read", '{"x": 1}'),)), "read: path is missing"),
        (Candidate("v", "", (call("rm", "{}"),)), "there is no tool 'rm'"),
        (Candidate("v", "and so on " * 60), "it repeats itself without end"),
        (Candidate("v", "cut", finish="length"), None),
    ],
)
def test_flaws(candidate, why):
    assert flaw(candidate, tools={"read": refuses}) == why


def test_json_that_is_cut_may_repeat_itself():
    looping = Candidate("v", '{"v": "' + "abc " * 100, finish="length")
    assert flaw(looping, wanted=lambda _: "it is not JSON") is None
    assert flaw(looping) == "it repeats itself without end"


def test_a_call_that_is_required_may_be_cut_in_a_text_that_repeats_itself():
    looping = Candidate("v", "and so on " * 60, finish="length")
    assert flaw(looping, must_call=True) is None


@pytest.mark.parametrize(
    ("text", "right"),
    [('{"a": 1}', True), ("```json\n[1]\n```", True), ("Sure: {}", False), ('{"a": 1', False)],
)
def test_what_should_be_json_is_bare_or_fenced(text, right):
    assert (not_json(text) is None) == right


def test_a_response_format_is_asked_of_texts_only():
    assert flaw(Candidate("v", "no"), wanted=lambda _: "it is not JSON") == "it is not JSON"
    made = Candidate("v", "", (call("read", "{}"),))
    assert flaw(made, tools={"read": refuses}, wanted=lambda _: "it is not JSON") is None


@pytest.mark.parametrize(
    "text",
    [
        "A heading\n" + "=" * 500,
        "| a | b |\n" + "| --- | --- |\n" * 3,
        " ".join(str(n) for n in range(400)),
        "short short short",
        "",
    ],
)
def test_what_only_looks_like_a_loop(text):
    assert not loops(text)


def test_a_loop_is_found_behind_other_text():
    assert loops("Once upon a time there was a house. " * 2 + "It was red. " * 40)


def test_where_a_call_is_required_a_text_is_no_answer():
    assert flaw(Candidate("v", "no"), must_call=True) == "it calls no tool"
    made = Candidate("v", "", (call("read", "{}"),))
    assert flaw(made, tools={"read": refuses}, must_call=True) is None


CUT = '{"path": "a'


@pytest.mark.parametrize(
    ("calls", "finish", "why"),
    [
        ((call("read", CUT),), "length", None),
        ((call("read", "{}"), call("read", CUT)), "length", None),
        ((call("read", CUT), call("read", CUT)), "length", "read: path is missing"),
        ((call("read", CUT),), "tool_calls", "read: path is missing"),
        ((call("read", CUT), call("rm", CUT)), "length", "read: path is missing"),
        ((call("rm", CUT),), "length", "there is no tool 'rm'"),
    ],
)
def test_only_the_call_that_an_answer_was_cut_in_may_be_broken(calls, finish, why):
    made = Candidate("v", "", calls, finish=finish)
    assert flaw(made, tools={"read": refuses}) == why


def test_what_was_cut_before_it_came_to_what_is_wanted_is_no_flaw():
    cut = Candidate("v", '{"a": ', finish="length")
    assert flaw(cut, must_call=True) is None
    assert flaw(cut, wanted=not_json) is None
    assert flaw(replace(cut, text=" "), must_call=True) == "empty"


def test_a_text_beside_a_call_is_a_loop_too():
    made = Candidate("v", "and so on " * 60, (call("read", "{}"),))
    assert flaw(made, tools={"read": refuses}) == "it repeats itself without end"


@pytest.mark.parametrize(
    ("period", "length", "loop"),
    [
        (60, 240, True),
        (60, 239, False),  # too short
        (80, 320, True),
        (80, 319, False),  # not four times
        (81, 1600, False),  # too long a piece
        (1, 240, True),
        (1, 239, False),
    ],
)
def test_a_loop_is_a_short_piece_four_times_over_240_characters(period, length, loop):
    piece = "".join(chr(ord("a") + at % 26) if at % 9 else str(at // 9) for at in range(1, period))
    text = ((piece + "!") * length if piece else "a" * length)[-length:]
    assert loops(text) is loop
    assert loops(f"Once upon a time. {text} \n\n") is loop
