"""Chunks of an upstream server as events, without a server."""

from typing import Any

import pytest

from swarm.chat.calls import Call
from swarm.engines.base import Delta, Event, Finished, Recounted, Started
from swarm.engines.upstream.hearing import Generation, Hearing, refusal
from swarm.errors import ContextOverflow, InvalidRequest

ONE = Call("read", '{"n": 1}')
TWO = Call("read", '{"n": 2}')


def call(id: str | None, name: str | None, arguments: str, **place: int) -> dict[str, Any]:
    return {"id": id, "function": {"name": name, "arguments": arguments}, **place}


END = {"delta": {}, "finish_reason": "tool_calls"}


def heard(*choices: dict[str, Any], count: int = 1, **more: Any) -> list[Event]:
    """The events of a stream with these choices, each in a chunk of its own with `more`."""
    generation = Generation(1, 0.0)
    drawn = [(at,) for at in range(count)]
    hearing = Hearing(generation, drawn=drawn, top_logprobs=None, clock=lambda: 0.0)
    chunks = [{"choices": [choice], **more} for choice in choices]
    return [event for chunk in chunks for event in hearing.hear(chunk)] + hearing.end()


def shown(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def called(events: list[Event]) -> list[Call]:
    return [call for event in events if isinstance(event, Delta) for call in event.calls]


def calls_of(*pieces: dict[str, Any]) -> list[Call]:
    """What is heard of a choice that tells these pieces of calls, each in a chunk of its own."""
    return called(heard(*({"delta": {"tool_calls": [each]}} for each in pieces), END))


@pytest.mark.parametrize("place", [{}, {"index": 0}])
def test_calls_that_share_an_index_are_told_apart_by_their_ids(place: dict[str, int]) -> None:
    first, second = call("a", "read", '{"n": 1}', **place), call("b", "read", '{"n"', **place)
    assert calls_of(first, second, call(None, None, ": 2}", **place)) == [ONE, TWO]


def test_a_call_that_gets_another_id_with_each_piece_is_one() -> None:
    assert calls_of(call("a", "read", '{"n"'), call("b", None, ": 1}")) == [ONE]


@pytest.mark.parametrize("place", [{}, {"index": 0}])
def test_a_name_that_comes_with_each_piece_of_a_call_is_one(place: dict[str, int]) -> None:
    assert calls_of(call("a", "read", '{"n"', **place), call("a", "read", ": 1}", **place)) == [ONE]


def test_a_call_that_stands_in_the_older_field_too_is_one() -> None:
    pieces = [call("a", "read", '{"n"', index=0), call("a", None, ": 1}", index=0)]
    both = [{"tool_calls": [piece], "function_call": piece["function"]} for piece in pieces]
    assert called(heard(*({"delta": delta} for delta in both), END)) == [ONE]


def test_calls_come_in_the_order_of_their_indices() -> None:
    first, second = call("a", "read", '{"n": 1}', index=1), call("b", "read", '{"n": 2}', index=0)
    assert calls_of(first, second) == [TWO, ONE]


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
    assert called(heard(first, second, END)) == [ONE]


def test_an_end_that_comes_twice_tells_each_call_once() -> None:
    told = {"delta": {"tool_calls": [call("a", "read", '{"n": 1}')]}}
    late = END | {"delta": {"tool_calls": [call("b", "read", '{"n": 2}')]}}
    assert called(heard(told, END, END)) == [ONE]
    assert called(heard(told, END, late)) == [ONE, TWO]


@pytest.mark.parametrize(("reason", "arguments"), [("tool_calls", "{}"), ("length", "")])
def test_a_call_without_arguments_has_none_unless_it_was_cut(reason: str, arguments: str) -> None:
    begun = {"delta": {"tool_calls": [call("a", "list", "")]}}
    assert called(heard(begun, END | {"finish_reason": reason})) == [Call("list", arguments)]


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def timed(*chunks: tuple[float, dict[str, Any]]) -> list[tuple[float, Event]]:
    """The events of a stream whose chunks come at these times, with when they were heard."""
    clock = Clock()
    hearing = Hearing(Generation(1, 0.0), drawn=[(0,)], top_logprobs=None, clock=clock)
    events: list[tuple[float, Event]] = []
    for clock.now_s, chunk in chunks:
        events += [(clock.now_s, event) for event in hearing.hear(chunk)]
    return events + [(clock.now_s, event) for event in hearing.end()]


def choice(**more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {}, **more}]}


def test_an_answer_that_is_a_call_begins_with_the_first_piece_of_it() -> None:
    pieces = [choice(delta={"tool_calls": [call("a", "write", text)]}) for text in ('{"n"', ": 1}")]
    heard = timed((1.0, pieces[0]), (13.0, pieces[1]), (25.0, choice(finish_reason="stop")))
    assert [at for at, event in heard if isinstance(event, Started)] == [1.0]
    told = [(at, event.tokens) for at, event in heard if isinstance(event, Delta)]
    assert told == [(1.0, 1), (13.0, 1), (25.0, 0)]
    assert heard[-1][1] == Finished(0, "stop", 2, prefill_s=0, decode_s=24.0, waited_s=1.0)


@pytest.mark.parametrize(
    ("timings", "read_s"), [({}, 0.0), ({"prompt_ms": 1500}, 1.5), ({"prompt_ms": 90_000}, 24.0)]
)
def test_only_what_the_server_tells_of_it_is_reading(
    timings: dict[str, int], read_s: float
) -> None:
    begun, end = choice(delta={"content": "a"}), choice(finish_reason="stop")
    heard = timed((24.0, begun | {"timings": {"prompt_n": 900, **timings}}), (26.0, end))
    assert heard[-1][1] == Finished(0, "stop", 1, read_s, 2.0, waited_s=24.0 - read_s)


COUNTED = {"prompt_tokens": 6500, "prompt_tokens_details": {"cached_tokens": 64}}


def recounted(*chunks: dict[str, Any], requests: int = 1, count: int = 1) -> list[Event]:
    """What requests for one generation, one after the other, tell of the prompt and the ends."""
    generation = Generation(112, 0.0)
    events: list[Event] = []
    for _ in range(requests):
        drawn = [(at,) for at in range(count)]
        hearing = Hearing(generation, drawn=drawn, top_logprobs=None, clock=lambda: 0.0)
        events += [event for chunk in chunks for event in hearing.hear(chunk)] + hearing.end()
    return [event for event in events if not isinstance(event, Delta)]


@pytest.mark.parametrize("requests", [1, 3])
@pytest.mark.parametrize("apart", [False, True])
def test_a_prompt_that_is_counted_with_the_last_chunk_is_told_anew_once(
    requests: int, apart: bool
) -> None:
    end: dict[str, Any] = choice(finish_reason="stop")
    ends = [end, {"choices": [], "usage": COUNTED}] if apart else [end | {"usage": COUNTED}]
    events = recounted(choice(delta={"content": "a"}), *ends, requests=requests)
    assert events[:2] == [Started(112, 0), Recounted(Started(112, 0), Started(6500, 64))]
    assert [type(event) for event in events[2:]] == [Finished] * requests


def test_of_several_answers_the_last_to_end_waits_for_the_prompts_count() -> None:
    chunks = [choice(index=at, finish_reason="stop") for at in range(2)]
    events = recounted(*chunks, {"choices": [], "usage": COUNTED}, count=2)
    assert [type(event) for event in events] == [Started, Finished, Recounted, Finished]


@pytest.mark.parametrize(
    "told",
    [
        {"usage": COUNTED},
        {"timings": {"cache_n": 4000, "prompt_n": 9}},
    ],
)
def test_a_prompt_that_the_first_chunk_counts_is_not_told_anew(told: dict[str, Any]) -> None:
    first, end = choice(delta={"content": "a"}), choice(finish_reason="stop")
    events = recounted(first | told, end, {"choices": [], "usage": COUNTED})
    assert [type(event) for event in events] == [Started, Finished]


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
