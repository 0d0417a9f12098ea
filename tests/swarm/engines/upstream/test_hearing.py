"""Chunks of an upstream server as events, without a server."""

from typing import Any

import pytest

from swarm.engines.base import Delta
from swarm.engines.upstream.hearing import Course, Hearing

ONE = '<tool_call>{"name": "read", "arguments": {"n": 1}}</tool_call>'
TWO = '<tool_call>{"name": "read", "arguments": {"n": 2}}</tool_call>'


def call(id: str | None, name: str | None, arguments: str, **place: int) -> dict[str, Any]:
    return {"id": id, "function": {"name": name, "arguments": arguments}, **place}


def text_of(*calls: dict[str, Any]) -> str:
    """What is heard of a choice that tells these pieces of calls, each in a chunk of its own."""
    course = Course(1, 0.0)
    hearing = Hearing(course, first=0, count=1, top_logprobs=None, clock=lambda: 0.0)
    deltas = [{"delta": {"tool_calls": [each]}} for each in calls]
    choices = [*deltas, {"delta": {}, "finish_reason": "tool_calls"}]
    events = [event for choice in choices for event in hearing.hear({"choices": [choice]})]
    return "".join(event.text for event in events if isinstance(event, Delta))


@pytest.mark.parametrize("place", [{}, {"index": 0}])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(place: dict[str, int]) -> None:
    first, second = call("a", "read", '{"n": 1}', **place), call("b", "read", '{"n"', **place)
    assert text_of(first, second, call(None, None, ": 2}", **place)) == ONE + TWO


def test_a_call_that_gets_another_id_with_each_piece_is_one() -> None:
    assert text_of(call("a", "read", '{"n"'), call("b", None, ": 1}")) == ONE


def test_calls_come_in_the_order_of_their_indices() -> None:
    first, second = call("a", "read", '{"n": 1}', index=1), call("b", "read", '{"n": 2}', index=0)
    assert text_of(first, second) == TWO + ONE
