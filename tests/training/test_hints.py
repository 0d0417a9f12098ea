"""Targets inside the request and the tools nearest to it: what they point at."""

from __future__ import annotations

import pytest

from training.data.feed import IGNORED, Encoder, Row, padded
from training.data.hints import FIRST, KINDS, LATER, LINE, NOT_CALLED, SPAN, VALUE
from training.data.source import Conversation
from training.tokenizer import PAD

ENCODE = Encoder()
TOKENS = ENCODE.tokenizer


def tool(name: str, told: str, **fields: str):
    parameters = {"type": "object", "properties": {k: {"type": kind} for k, kind in fields.items()}}
    return {
        "type": "function",
        "function": {"name": name, "description": told, "parameters": parameters},
    }


def called(name: str, **arguments: object):
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.fixture
def row() -> Row:
    messages = [
        {"role": "user", "content": "weather in Bergen, then mail it to Ida"},
        {"role": "assistant", "content": None, "tool_calls": [called("getWeather", city="Bergen")]},
        {"role": "tool", "content": "rain"},
        {"role": "assistant", "content": None, "tool_calls": [called("send_mail", to="Ida")]},
        {"role": "user", "content": "and what books and mail are there"},
        {"role": "assistant", "content": None, "tool_calls": [called("find_book")]},
    ]
    tools = [
        tool("getWeather", "Tells the weather", city="string", days="integer"),
        tool("find_book", "Find a book", title="string"),
        tool("send_mail", "Send a mail", to="string"),
    ]
    return ENCODE(Conversation("made-up", messages, tools))


def seen(row: Row, kind: str) -> list[tuple[str, int]]:
    return [(TOKENS.decode([row.ids[at]]), wanted) for at, wanted in row.hints[kind]]


def test_values_begin_where_the_request_says_them(row: Row) -> None:
    begins = [token for token, wanted in seen(row, SPAN) if wanted]
    assert [token[0] for token in begins] == ["B", "I"]


def test_lines_are_called_first_later_or_not(row: Row) -> None:
    behind_first, behind_second = (
        [("\n", FIRST), ("\n", LATER)],
        [("\n", FIRST), ("\n", NOT_CALLED)],
    )
    assert seen(row, LINE) == behind_first + behind_second


def test_parameters_of_called_tools_get_the_beginning_of_their_value(row: Row) -> None:
    marks, starts = zip(*seen(row, VALUE), strict=True)
    assert marks == (":",) * 4
    nothing = TOKENS.ids[PAD]
    weather = (TOKENS.encode("Bergen")[0], nothing)
    assert starts == (*weather, TOKENS.encode("Ida")[0], nothing)


def test_without_tools_nothing_is_marked() -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
    assert ENCODE(Conversation("chat", messages)).hints == {kind: [] for kind in KINDS}


def test_rows_are_filled_with_nothing_to_learn(row: Row) -> None:
    batch = padded([row, row], 512)
    assert batch.ids.shape == batch.targets.shape == (2, 512)
    assert (batch.targets[:, len(row.ids) :] == IGNORED).all()
    for kind in KINDS:
        assert (batch.hints[kind][1] >= 0).sum() == len(row.hints[kind])
