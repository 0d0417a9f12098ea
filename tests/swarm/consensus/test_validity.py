"""Who may vote."""

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
