"""The messages between nodes: what goes in comes out, and nothing else is believed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.wire import (
    PROTOCOL,
    DoneLine,
    FailedLine,
    ProposeBody,
    Status,
    decode_heartbeat,
    decode_line,
    decode_propose,
    encode_body,
    encode_line,
    encode_lines,
)
from printable import printable
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import Piece, Reasoning, Text
from swarm.errors import ProtocolMismatch
from swarm.proposer import Began, Ended, Lost, Offer, Said, Told
from swarm.types import (
    Constraint,
    Message,
    Question,
    SamplingParams,
    TokenLogprob,
    ToolCall,
    ToolSpec,
)

words = st.text(max_size=20)
pieces = st.one_of(
    words.map(Text), words.map(Reasoning), words.map(Arguments), st.builds(Call, words, words)
)
logprobs = st.builds(TokenLogprob, words, st.binary(max_size=8), st.floats(-50, 0))
news = st.one_of(
    st.builds(Began, st.integers(0, 9999), st.integers(0, 9999)),
    st.builds(
        Said,
        st.lists(pieces, max_size=6).map(tuple),
        st.integers(0, 99),
        st.integers(0, 99),
        st.booleans(),
        st.lists(logprobs, max_size=3).map(tuple),
    ),
    st.builds(Lost, words.map(printable)),
    st.builds(
        Ended,
        st.sampled_from(["stop", "length", "tool_calls"]),
        st.integers(0, 9999),
        st.booleans(),
    ),
)


def spoken(said: tuple[Piece, ...]) -> list[tuple[str, str]]:
    """What pieces say, whatever they were cut into."""
    runs: list[tuple[str, str]] = []
    for piece in said:
        parts = [("call", piece.name), ("args", piece.arguments)] if isinstance(piece, Call) else []
        if not isinstance(piece, Call):
            kind = "args" if isinstance(piece, Arguments) else type(piece).__name__
            parts = [(kind, piece.text)]
        for kind, text in parts:
            if kind != "call" and not text:
                continue
            if runs and runs[-1][0] == kind != "call":
                runs[-1] = (kind, runs[-1][1] + text)
            else:
                runs.append((kind, text))
    return runs


@given(st.lists(st.tuples(st.integers(0, 63), news), max_size=5))
def test_news_arrive_as_they_were_sent(told: list[Told]) -> None:
    lines = [decode_line(raw) for raw in encode_lines(told).splitlines()]
    assert len(lines) == len(told)
    for line, (at, sent) in zip(lines, told, strict=True):
        assert not isinstance(line, DoneLine | FailedLine)
        assert line.at == at
        got = line.news
        if isinstance(sent, Said) and isinstance(got, Said):
            assert spoken(got.pieces) == spoken(sent.pieces)
            assert replace(got, pieces=()) == replace(sent, pieces=())
        else:
            assert got == sent


def test_a_question_arrives_whole() -> None:
    call = ToolCall("id", "read", '{"path": "a"}')
    question = Question(
        "swarm",
        (Message("assistant", None, "hm", (call,)), Message("tool", "text", tool_call_id="id")),
        SamplingParams(temperature=0.5, logit_bias={3: 1.5}, stop=("x",), seed=7),
        (
            ToolSpec(
                "read", "reads", {"type": "object", "properties": {"path": {"type": "string"}}}
            ),
            ToolSpec("list", "lists", {"type": "object"}, strict=True),
        ),
        {"enable_thinking": False},
        True,
    )
    body = ProposeBody(label="l", question=question, workers=3, remaining_s=2.5, live=True)
    assert decode_propose(encode_body(body)) == body


def test_a_status_arrives_whole() -> None:
    status = Status(
        version="1",
        node="a" * 64,
        name="hall",
        epoch=5,
        clock_s=1.5,
        port=17617,
        models=(Offer("nano", 3, 8, 8, default=True),),
    )
    assert decode_heartbeat(encode_body(status)) == status


def test_the_end_of_an_answer_is_told() -> None:
    assert decode_line(encode_line(DoneLine())) == DoneLine()
    assert decode_line(encode_line(FailedLine(why="x"))) == FailedLine(why="x")


@pytest.mark.parametrize(("version", "both"), [(1, "1 and 2"), (3, "2 and 3")])
def test_another_version_is_named(version: int, both: str) -> None:
    """From both sides: a node is told what its peer says of it."""
    with pytest.raises(ProtocolMismatch, match=f"versions {both} .* update the older node"):
        decode_heartbeat(b'{"protocol": %d, "anything": 1}' % version)


@given(st.binary(max_size=60))
def test_nonsense_never_passes(raw: bytes) -> None:
    for decode in (decode_line, decode_heartbeat, decode_propose):
        with pytest.raises(ProtocolMismatch):
            decode(raw)


def test_what_was_said_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ProtocolMismatch) as caught:
        decode_propose(b'{"protocol": %d, "label": "l", "question": "my secret prompt"}' % PROTOCOL)
    assert "secret" not in str(caught.value)


def test_a_question_with_a_constraint_arrives_whole() -> None:
    constraint = Constraint(must_call=True, tools=("read", "now"), schema='{"type": "object"}')
    question = Question("swarm", (Message("user", "hi"),), SamplingParams(), constraint=constraint)
    body = ProposeBody(label="a", question=question, workers=2, remaining_s=5)
    assert decode_propose(encode_body(body)) == body
