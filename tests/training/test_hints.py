"""Targets inside the list of tools: what they point at, and that each row has one request."""

from __future__ import annotations

import pytest

from training.data import made_up, opencode
from training.data.feed import IGNORED, Encoder, Row, padded, requests
from training.data.hints import FIRST, KINDS, LATER, LINE, NOT_CALLED, SPAN, VALUE, WORD
from training.data.source import Conversation, Source
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
    ]
    tools = [
        tool("getWeather", "Tells how it is outside", city="string", days="integer"),
        tool("find_book", "Find a book", title="string"),
        tool("send_mail", "Send a mail", to="string"),
    ]
    return ENCODE(Conversation("made-up", messages, tools))


def seen(row: Row, kind: str) -> list[tuple[str, int]]:
    return [(TOKENS.decode([row.ids[at]]), wanted) for at, wanted in row.hints[kind]]


def test_words_of_a_line_are_met_where_the_request_has_them(row: Row) -> None:
    words = [wanted for _, wanted in seen(row, WORD)]
    said = ["Tells", "how", "outside", "getWeather", "find", "book", "find", "book", "send", "mail"]
    met = dict(zip(said, words[: len(said)], strict=True))
    assert met["getWeather"] == met["mail"] == 1
    assert met["outside"] == met["book"] == 0


def test_values_begin_where_the_request_says_them(row: Row) -> None:
    begins = [token for token, wanted in seen(row, SPAN) if wanted]
    assert [token[0] for token in begins] == ["B", "I"]


def test_lines_are_called_first_later_or_not(row: Row) -> None:
    assert seen(row, LINE) == [("\n", FIRST), ("\n", NOT_CALLED), ("\n", LATER)]


def test_parameters_of_called_tools_get_the_beginning_of_their_value(row: Row) -> None:
    marks, starts = zip(*seen(row, VALUE), strict=True)
    assert marks == (":",) * 3
    assert starts == (
        TOKENS.encode("Bergen")[0],
        TOKENS.ids[PAD],
        TOKENS.encode("Ida")[0],
    )


def test_without_tools_nothing_is_marked() -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
    assert ENCODE(Conversation("chat", messages)).hints == {}


def test_rows_are_filled_with_nothing_to_learn(row: Row) -> None:
    batch = padded([row, row], 512)
    assert batch.ids.shape == batch.targets.shape == (2, 512)
    assert (batch.targets[:, len(row.ids) :] == IGNORED).all()
    for kind in KINDS:
        assert (batch.hints[kind][1] >= 0).sum() == len(row.hints[kind])


@pytest.mark.parametrize("make", [made_up.single, opencode.single])
def test_only_answers_to_the_last_request_are_learned(make) -> None:
    source = Source(5, held_out=False)
    for _ in range(40):
        conversation = make(source)
        for piece in requests(conversation, source):
            row = ENCODE(piece)
            learned = [at for at, target in enumerate(row.targets) if target != IGNORED]
            text = TOKENS.decode(row.ids)
            block = text.rindex("<|im_start|>system\nTools:\n")
            assert learned
            assert "<|im_start|>user" not in text[block:]
            assert len(TOKENS.decode(row.ids[: learned[0]])) > block
