"""What is given where no answer is valid."""

import pytest

from swarm.chat.arguments import checks_of
from swarm.fallback import as_given
from swarm.types import Candidate, ToolCall, ToolSpec

IDS = {"ids": {"type": "array", "uniqueItems": True}}
LIST = ToolSpec("list", "", {"type": "object", "properties": IDS})
CHECKS = checks_of([LIST])
RIGHT = ToolCall("1", "list", '{"ids": [1, 2]}')
WRONG = ToolCall("2", "list", '{"ids": [1, 1]}')
UNKNOWN = ToolCall("3", "remove", "{}")
WRITTEN = '<tool_call>{"name": "list", "arguments": {"ids": [1, 1]}}</tool_call>'


@pytest.mark.parametrize("text", ["", "I remove it."])
def test_a_call_of_an_unknown_tool_is_given_as_it_is(text: str) -> None:
    made = Candidate("v", text, (UNKNOWN,), finish="tool_calls")
    assert as_given(made, CHECKS) == made


@pytest.mark.parametrize("text", ["", "\n", "I list them."])
def test_a_call_whose_arguments_are_wrong_is_given_as_text(text: str) -> None:
    made = Candidate("v", text, (WRONG,), "it is 1", finish="tool_calls")
    assert as_given(made, CHECKS) == Candidate("v", text + WRITTEN, (), "it is 1")


def test_beside_a_wrong_call_the_others_stay_calls() -> None:
    made = Candidate("v", "", (RIGHT, WRONG, UNKNOWN), finish="tool_calls")
    given = Candidate("v", WRITTEN, (RIGHT, UNKNOWN), finish="tool_calls")
    assert as_given(made, CHECKS) == given


@pytest.mark.parametrize(
    ("stays", "arguments", "beside", "is_call"),
    [
        ({"list"}, WRONG.arguments, True, True),
        ({"list"}, WRONG.arguments, False, False),
        (set(), WRONG.arguments, True, False),
        ({"list"}, "[1, 1]", True, False),
        ({"list"}, '{"ids": ', True, False),
    ],
)
def test_beside_the_text_a_wrong_call_may_stay_one(
    stays: set[str], arguments: str, beside: bool, is_call: bool
) -> None:
    calls = (RIGHT, ToolCall("2", "list", arguments))
    made = Candidate("v", "", calls, finish="tool_calls", beside=beside)
    given = as_given(made, CHECKS, stays)
    assert given is not None
    assert given.tool_calls == (calls if is_call else (RIGHT,))
    assert bool(given.text) == (not is_call)


def test_a_call_that_is_cut_off_is_given_as_far_as_it_came() -> None:
    made = Candidate("v", "", (UNKNOWN, ToolCall("4", "list", '{"ids": [')), finish="length")
    assert as_given(made, CHECKS) == made


def test_what_says_nothing_is_not_given() -> None:
    assert as_given(Candidate("v", " \n"), CHECKS) is None
