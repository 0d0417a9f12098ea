"""What a sequence says becomes events: text that is certain, tokens counted once, times."""

from dataclasses import dataclass, field

import pytest

from swarm.engines.base import Delta, Event, Finished, Started
from swarm.engines.telling import Speech, Telling, collect
from swarm.engines.text import TextStream
from swarm.types import TokenLogprob

MARK = 0
SURE = TokenLogprob("a", b"a", 0.0)


class Letters:
    """A token is a letter; 0 is a control token."""

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token else b""

    def written(self, token: int) -> str:
        return chr(token) if token else "<mark>"


@dataclass
class Asked:
    telling: Telling
    sequences: list[Speech] = field(default_factory=list[Speech])


def speech(telling: Telling, *stop: str) -> Speech:
    return Speech(telling, (0,), Letters(), TextStream(stop))


def said(telling: Telling) -> list[Event]:
    events, telling.events = telling.events, []
    return events


def test_a_prompt_is_started_once_with_what_was_cached() -> None:
    telling = Telling(9)
    telling.reading(4)
    assert telling.start()
    assert not telling.start()
    telling.reading(7)
    assert telling.events == [Started(9, 4)]


def test_tokens_that_show_nothing_yet_are_counted_with_the_next_that_do() -> None:
    telling = Telling(1)
    speaks = speech(telling)
    first, second = "é".encode()
    assert not speaks.hear(first, SURE)
    assert said(telling) == []
    speaks.hear(second, SURE)
    assert said(telling) == [Delta(0, "é", 2, (SURE, SURE))]


def test_control_tokens_are_shown_where_the_request_shows_them() -> None:
    telling = Telling(1)
    speech(telling).hear(MARK, None)
    assert said(telling) == []
    telling.shown = frozenset({MARK})
    speech(telling).hear(MARK, None)
    assert said(telling) == [Delta(0, "<mark>", 1, ())]


def test_a_stop_string_ends_a_speech_and_what_was_held_back_is_told_at_the_end() -> None:
    telling = Telling(1)
    speaks = speech(telling, "!?")
    assert [speaks.hear(ord(letter), None) for letter in "a!"] == [False, False]
    assert said(telling) == [Delta(0, "a", 1, ())]
    speaks.finish("length")
    held, end = said(telling)
    assert held == Delta(0, "!", 1, ())
    assert isinstance(end, Finished)
    assert (end.reason, end.completion_tokens) == ("length", 2)
    assert speech(telling, "a").hear(ord("a"), None)


class Words(Letters):
    """A token is a word."""

    words = ("How", " can", " I", " help", "a", "b")

    def piece(self, token: int) -> bytes:
        return self.words[token].encode()


@pytest.mark.parametrize(
    ("stop", "tokens", "text", "told"),
    [
        ("help", [0, 1, 2, 3], "How can I ", "0123"),
        ("can I", [0, 1, 2], "How ", "01"),
        (" can", [0, 1], "How", "0"),
        ("How", [0], "", ""),
        ("aab", [0, 4, 4, 4, 5], "Howa", "04"),
    ],
)
def test_of_tokens_behind_a_stop_string_s_beginning_no_probability_is_told(
    stop: str, tokens: list[int], text: str, told: str
) -> None:
    telling = Telling(1)
    speaks = Speech(telling, (0,), Words(), TextStream((stop,)))
    heard = [speaks.hear(token, TokenLogprob(f"{token}", b"", 0.0)) for token in tokens]
    assert heard == [False] * (len(tokens) - 1) + [True]
    speaks.finish("stop")
    deltas = [event for event in said(telling) if isinstance(event, Delta)]
    assert "".join(delta.text for delta in deltas) == text
    assert "".join(each.token for delta in deltas for each in delta.logprobs) == told


def test_what_a_stop_string_s_beginning_held_back_is_told_with_its_probabilities() -> None:
    telling = Telling(1)
    speaks = speech(telling, "!?")
    for letter in "a!":
        speaks.hear(ord(letter), SURE)
    speaks.finish("length")
    assert [event.logprobs for event in said(telling) if isinstance(event, Delta)] == [
        (SURE,),
        (SURE,),
    ]


def test_a_request_without_sequences_is_told_and_gone() -> None:
    done, open_, quiet = Asked(Telling(1)), Asked(Telling(1)), Asked(Telling(1))
    done.telling.start()
    open_.telling.start()
    for each in (open_, quiet):
        each.sequences.append(speech(each.telling))
    requests = {1: done, 2: open_, 3: quiet}
    assert collect(requests) == [(1, [Started(1, 0)]), (2, [Started(1, 0)])]
    assert list(requests) == [2, 3]
    assert collect(requests) == []
