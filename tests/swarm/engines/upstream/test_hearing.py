"""Chunks of an upstream server as events, without a server."""

from typing import Any

import pytest

from swarm.engines.base import Delta, Event, Finished
from swarm.engines.upstream.hearing import Generation, Hearing, refusal
from swarm.errors import ContextOverflow, InvalidRequest

ONE = '<tool_call>{"name": "read", "arguments": {"n": 1}}</tool_call>'
TWO = '<tool_call>{"name": "read", "arguments": {"n": 2}}</tool_call>'


def call(id: str | None, name: str | None, arguments: str, **place: int) -> dict[str, Any]:
    return {"id": id, "function": {"name": name, "arguments": arguments}, **place}


END = {"delta": {}, "finish_reason": "tool_calls"}


def heard(*choices: dict[str, Any], count: int = 1, **more: Any) -> list[Event]:
    """The events of a stream with these choices, each in a chunk of its own with `more`."""
    generation = Generation(1, 0.0)
    hearing = Hearing(generation, first=0, count=count, top_logprobs=None, clock=lambda: 0.0)
    chunks = [{"choices": [choice], **more} for choice in choices]
    return [event for chunk in chunks for event in hearing.hear(chunk)] + hearing.end()


def shown(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def text_of(*calls: dict[str, Any]) -> str:
    """What is heard of a choice that tells these pieces of calls, each in a chunk of its own."""
    return shown(heard(*({"delta": {"tool_calls": [each]}} for each in calls), END))


@pytest.mark.parametrize("place", [{}, {"index": 0}])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(place: dict[str, int]) -> None:
    first, second = call("a", "read", '{"n": 1}', **place), call("b", "read", '{"n"', **place)
    assert text_of(first, second, call(None, None, ": 2}", **place)) == ONE + TWO


def test_a_call_that_gets_another_id_with_each_piece_is_one() -> None:
    assert text_of(call("a", "read", '{"n"'), call("b", None, ": 1}")) == ONE


def test_calls_come_in_the_order_of_their_indices() -> None:
    first, second = call("a", "read", '{"n": 1}', index=1), call("b", "read", '{"n": 2}', index=0)
    assert text_of(first, second) == TWO + ONE


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("usage", [None, {"prompt_tokens": 0, "completion_tokens": 0}])
def test_an_answer_ends_with_a_reason_and_not_with_an_empty_one(
    count: int, usage: dict[str, int] | None
) -> None:
    each = [{"index": at, "finish_reason": ""} for at in range(count)]
    choices = [
        *(one | {"delta": {"content": word}} for word in ("one ", "two") for one in each),
        *(one | {"delta": {}, "finish_reason": "stop"} for one in each),
    ]
    events = heard(*choices, count=count, usage=usage)
    ends = [event for event in events if isinstance(event, Finished)]
    assert shown(events) == "one " * count + "two" * count
    assert [end.completion_tokens for end in ends] == [2] * count


def test_an_empty_reason_tells_no_calls() -> None:
    first = {"delta": {"tool_calls": [call("a", "read", '{"n"')]}, "finish_reason": ""}
    second = {"delta": {"tool_calls": [call(None, None, ": 1}")]}, "finish_reason": ""}
    assert shown(heard(first, second, END)) == ONE


def test_an_end_that_comes_twice_tells_each_call_once() -> None:
    told = {"delta": {"tool_calls": [call("a", "read", '{"n": 1}')]}}
    late = END | {"delta": {"tool_calls": [call("b", "read", '{"n": 2}')]}}
    assert shown(heard(told, END, END)) == ONE
    assert shown(heard(told, END, late)) == ONE + TWO


MOST = "This model's maximum context length is 4096 tokens"


@pytest.mark.parametrize(
    ("message", "figures"),
    [
        (
            f"{MOST}. However, you requested 5100 tokens (5000 in the messages, 100 more)",
            (5100, 4096),
        ),
        (
            (
                f"{MOST}. However, you requested 100 output tokens and your prompt contains"
                " at least 3997 input tokens, for a total of at least 4097 tokens."
            ),
            (4097, 4096),
        ),
        (f"{MOST}. However, your request has 5000 input tokens.", (5000, 4096)),
        (f"'max_tokens' is too large: 4000. {MOST} and it has 500 input tokens", (4500, 4096)),
        (
            (
                "You passed 3997 input tokens and requested 100 output tokens. However, the model's"
                " context length is only 4096 tokens, a maximum input length of 3996 tokens."
            ),
            (4097, 4096),
        ),
        (
            (
                "Requested token count exceeds the model's maximum context length of 4096 tokens."
                " You requested a total of 5100 tokens: 5000 tokens from the input messages and"
                " 100 tokens for the completion."
            ),
            (5100, 4096),
        ),
        (f"{MOST}.", (0, 4096)),
    ],
)
def test_an_overflow_that_only_the_message_tells_keeps_its_figures(
    message: str, figures: tuple[int, int]
) -> None:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    told = refusal(400, {"error": error})
    assert isinstance(told, ContextOverflow)
    assert (told.prompt_tokens, told.context_tokens) == figures


def test_a_refusal_of_the_inputs_length_is_an_overflow_whatever_its_words() -> None:
    error = {"message": "The prompt is too long.", "param": "input_tokens", "code": 400}
    told = refusal(400, {"error": error})
    assert isinstance(told, ContextOverflow)
    assert (told.prompt_tokens, told.context_tokens) == (0, 0)


def test_other_refusals_are_no_overflow_though_they_speak_of_tokens() -> None:
    assert isinstance(refusal(400, {"error": {"message": "no 40 tokens"}}), InvalidRequest)


def test_the_words_of_a_refusal_can_be_shown() -> None:
    refused = refusal(500, {"error": {"message": "\x1b[2Jout of\nmemory"}})
    assert "\ufffd[2Jout of memory" in str(refused)
