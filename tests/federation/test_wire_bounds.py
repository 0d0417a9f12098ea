"""What a member may say is bounded: counts, names and numbers that no honest node would send."""

import json
from typing import Any

import pytest

from federation.peer import Peer
from federation.peer_proposer import Asking, PeerProposer
from federation.peers import PeerTable
from federation.wire import (
    MAX_WORKERS,
    FailedLine,
    FileOffer,
    FilesAnswer,
    LostLine,
    ProposeBody,
    Status,
    decode_files_answer,
    decode_heartbeat,
    decode_line,
    decode_propose,
    encode_body,
)
from swarm.errors import ProtocolMismatch
from swarm.proposer import Offer
from swarm.types import Message, Question, SamplingParams
from tests.federation.sightings import OURS, STATUS, node_id

HONEST = json.loads(encode_body(STATUS))
HELLO = Question("swarm", (Message("user", "hi"),), SamplingParams())
ASKED = json.loads(encode_body(ProposeBody(label="l", question=HELLO, workers=2, remaining_s=5.0)))
HELD = json.loads(encode_body(FileOffer(name="a.gguf", size_bytes=0, sha256="0" * 64)))


def said(**news: Any) -> bytes:
    return json.dumps({"kind": "ended", "at": 0, "news": news}).encode()


@pytest.mark.parametrize("field", ["usual", "free", "most", "waiting_tokens", "context_tokens"])
@pytest.mark.parametrize("count", [-1, 10**400])
def test_an_offer_counts_with_counts(field: str, count: int) -> None:
    status = {**HONEST, "models": [{**HONEST["models"][0], field: count}]}
    with pytest.raises(ProtocolMismatch, match=f"{field} is no count"):
        decode_heartbeat(json.dumps(status).encode())


@pytest.mark.parametrize("model", ["", "m" * 257, "nano\n"])
def test_an_offer_names_a_model(model: str) -> None:
    status = {**HONEST, "models": [{**HONEST["models"][0], "model": model}]}
    with pytest.raises(ProtocolMismatch, match="model"):
        decode_heartbeat(json.dumps(status).encode())


@pytest.mark.parametrize("wrong", [{"port": "17617"}, {"port": 17617.0}, {"epoch": "5"}])
def test_what_only_looks_like_a_number_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ProtocolMismatch, match=next(iter(wrong))):
        decode_heartbeat(json.dumps({**HONEST, **wrong}).encode())


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"workers": MAX_WORKERS + 1},
        {"remaining_s": 0},
        {"remaining_s": 3601},
        {"label": "l" * 129},
    ],
)
def test_a_question_asks_for_so_many_workers_and_so_long(wrong: dict[str, Any]) -> None:
    decode_propose(json.dumps(ASKED).encode())
    with pytest.raises(ProtocolMismatch, match=next(iter(wrong))):
        decode_propose(json.dumps({**ASKED, **wrong}).encode())


@pytest.mark.parametrize("size_bytes", [-1, 0.5])
def test_a_file_is_a_count_of_bytes_long(size_bytes: float) -> None:
    answer = json.loads(encode_body(FilesAnswer(files=())))
    right, wrong = (
        json.dumps({**answer, "files": [{**HELD, "size_bytes": size}]}) for size in (0, size_bytes)
    )
    decode_files_answer(right.encode())
    with pytest.raises(ProtocolMismatch, match="size_bytes"):
        decode_files_answer(wrong.encode())


@pytest.mark.parametrize("field", ["name", "version", "engine"])
def test_names_are_short(field: str) -> None:
    decode_heartbeat(json.dumps({**HONEST, field: "n" * 128}).encode())
    with pytest.raises(ProtocolMismatch, match=field):
        decode_heartbeat(json.dumps({**HONEST, field: "n" * 129}).encode())


@pytest.mark.parametrize("field", ["name", "version", "hardware", "engine"])
def test_names_can_be_shown(field: str) -> None:
    with pytest.raises(ProtocolMismatch, match=field):
        decode_heartbeat(json.dumps({**HONEST, field: "kitchen\x1b[2J"}).encode())


@pytest.mark.parametrize("clock", ["NaN", "Infinity"])
def test_a_clock_is_a_number(clock: str) -> None:
    raw = json.dumps(HONEST).replace(f'"clock_s": {HONEST["clock_s"]}', f'"clock_s": {clock}')
    with pytest.raises(ProtocolMismatch, match="clock_s"):
        decode_heartbeat(raw.encode())


@pytest.mark.parametrize("tokens", [-1, 10**400])
def test_an_answer_is_a_count_of_tokens_long(tokens: int) -> None:
    with pytest.raises(ProtocolMismatch, match="tokens is no count"):
        decode_line(said(finish="stop", tokens=tokens))


def test_a_log_probability_is_a_number() -> None:
    line = (
        b'{"kind": "said", "at": 0, "pieces": [], "tokens": 1, "reasoning_tokens": 0, "calling": '
        b'false, "logprobs": [{"token": "a", "utf8": "YQ==", "logprob": NaN, "top": []}]}'
    )
    with pytest.raises(ProtocolMismatch, match="finite number"):
        decode_line(line)


def test_a_peer_is_asked_for_no_more_workers_than_a_question_may_name() -> None:
    large = STATUS.model_copy(update={"models": (Offer("nano", 300, 300, 300, default=True),)})
    peer: Peer[Status] = Peer(node_id(1)[:16], node_id(1), "kitchen", (), 0.0, 0.0)
    asking = Asking(PeerTable(node_id(2), OURS), None)  # type: ignore[arg-type]  # nobody is called
    offer = PeerProposer(peer, large, "kitchen", asking).offer("swarm")
    assert offer is not None
    assert [offer.usual, offer.free, offer.most] == [MAX_WORKERS] * 3


def test_the_reason_of_a_failure_can_be_shown() -> None:
    line = decode_line(
        json.dumps({"kind": "failed", "why": "\x1b]0;x\x07", "status": 503}).encode()
    )
    assert isinstance(line, FailedLine)
    assert (line.why, line.status) == ("\ufffd]0;x\ufffd", 503)


def test_the_reason_of_a_worker_that_is_lost_is_cut() -> None:
    raw = json.dumps({"kind": "lost", "at": 0, "news": {"why": "x" * 5_000}})
    line = decode_line(raw.encode())
    assert isinstance(line, LostLine)
    assert line.news.why == "x" * 1024


@pytest.mark.parametrize("field", ["\x1b[2J", "a\nb", "long" * 1000])
def test_the_name_of_an_unknown_field_can_be_shown(field: str) -> None:
    with pytest.raises(ProtocolMismatch) as caught:
        decode_heartbeat(json.dumps({**HONEST, field: 1}).encode())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_the_name_of_an_unknown_kind_can_be_shown() -> None:
    with pytest.raises(ProtocolMismatch) as caught:
        decode_line(json.dumps({"kind": "\x1b[2J"}).encode())
    assert str(caught.value).isprintable()
