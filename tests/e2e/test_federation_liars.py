"""A member that lies, fails or floods: requests are answered without it, memory is bounded."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from aiohttp import web

from federation.trust import decode_code
from federation.wire import (
    ANSWER_BYTES,
    BeganLine,
    DoneLine,
    SaidLine,
    encode_body,
    encode_line,
)
from swarm.proposer import Began
from tests.e2e.fake_peer import FakePeer, Reply, fake_peer, odd_status
from tests.e2e.hosts import Host, network
from tests.e2e.house import (
    READY_S,
    SUM,
    answered,
    ask,
    body,
    peers,
    ready,
    start_member,
    text_of,
    voters,
    wait_together,
)

pytestmark = pytest.mark.needs("namespaces")

MEMBERS = {"here": 3, "host2": 3}
BEGAN = b"".join(encode_line(BeganLine(at=at, news=Began(7, 0))) for at in range(3))


def said(at: int, text: str, **fields: Any) -> bytes:
    plain = {"tokens": 1, "reasoning_tokens": 0, "calling": False, "logprobs": ()}
    return encode_line(SaidLine(at=at, pieces=(("text", text),), **{**plain, **fields}))


def ended(at: int, tokens: int = 5) -> bytes:
    line = {"kind": "ended", "at": at, "news": {"finish": "stop", "tokens": tokens}}
    return json.dumps(line).encode() + b"\n"


def whole(text: str) -> bytes:
    """What an honest peer would say whose three workers agree."""
    lines = b"".join(said(at, text) + ended(at) for at in range(3))
    return BEGAN + lines + encode_line(DoneLine())


def says(content: bytes, **how: Any) -> Reply:
    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, **how)

    return reply


def floods(piece: bytes) -> Reply:
    """The same again and again, for as long as somebody reads."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    return reply


def breaks_off(content: bytes) -> Reply:
    """This much of an answer, then the connection is gone."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(content)
        assert request.transport is not None
        request.transport.abort()
        return response

    return reply


async def no_http(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"\x16\x03\x01 this is no HTTP at all\r\n\r\n" * 100)
    request.transport.close()
    return web.Response()


async def long_head(_: web.Request) -> web.StreamResponse:
    return web.Response(headers={f"X-{number}": "x" * 8000 for number in range(100)})


async def drips(request: web.Request) -> web.StreamResponse:
    """It lives, and says nothing."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"\n")
        await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakePeer]:
    """Beside two nodes that are one federation."""
    with network(3, tmp_path_factory.mktemp("lan")) as lan:
        one, other, third = lan.hosts
        one.start_node()
        code = one.main("--show-code").stdout.split()[-1]
        start_member(other, code)
        wait_together([one, other])
        folder = tmp_path_factory.mktemp("fake")
        with fake_peer(third, one, decode_code(code), folder) as peer:
            yield peer


@pytest.fixture
def one(peer: FakePeer) -> Host:
    """The node that is asked, with the fake peer among its own, and no grudge from before."""
    one = peer.host.lan.hosts[0]
    peer.status, peer.reply = None, says(whole("Answer: 11"))
    one.node.wait_until(lambda: usual_of_liar(one) == 3, READY_S)
    one.node.wait_until(lambda: voters(ask(one))["host3"] == 3, 60)
    return one


def usual_of_liar(one: Host) -> int:
    """How many workers it offers, by its last heartbeat."""
    peer = peers(one).get("host3")
    return peer["models"][0]["usual"] if peer and peer["state"] == "ready" else 0


def figures(one: Host) -> Any:
    return peers(one)["host3"]["metrics"]


def test_a_member_of_another_make_votes_like_any_other(peer: FakePeer, one: Host) -> None:
    answer = ask(one)
    assert voters(answer) == {**MEMBERS, "host3": 3}
    assert {worker["model"] for worker in answer["usage"]["swarm"]["workers"]} == {
        "swarm-nano",
        "fake",
    }


def test_tools_and_the_whole_history_go_to_peers(peer: FakePeer, one: Host) -> None:
    messages: list[dict[str, Any]] = [{"role": "system", "content": "be short"}]
    for turn in range(10):
        call = {"name": "read", "arguments": json.dumps({"filePath": f"{turn}.txt"})}
        calls = [{"id": f"c{turn}", "type": "function", "function": call}]
        messages += [
            {"role": "user", "content": f"read {turn}"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": f"c{turn}", "content": f"told {turn}"},
        ]
    tool = {"name": "read", "description": "d", "parameters": {"type": "object", "properties": {}}}
    request = {**body(""), "messages": messages, "tools": [{"type": "function", "function": tool}]}
    peer.questions.clear()
    assert one.post("/v1/chat/completions", request)[0] == 200
    question = peer.questions[-1].question
    assert [message.role for message in question.messages] == [each["role"] for each in messages]
    assert [m.content for m in question.messages if m.role == "tool"] == [
        f"told {turn}" for turn in range(10)
    ]
    assert question.messages[-2].tool_calls[0].arguments == '{"filePath": "9.txt"}'
    assert question.tools[0].name == "read"


def test_a_liar_does_not_win_where_the_honest_agree(peer: FakePeer, one: Host) -> None:
    peer.reply = says(whole("Answer: 12"))
    answer = ask(one)
    assert text_of(answer) == "Answer: 11"
    assert voters(answer) == {**MEMBERS, "host3": 3}


def test_a_liar_with_many_workers_weighs_no_more_than_one_machine(
    peer: FakePeer, one: Host
) -> None:
    lines = b"".join(said(at, "Answer: 12") + ended(at) for at in range(64))
    peer.reply = says(lines + encode_line(DoneLine()))
    peer.status = odd_status(peer, usual=1000, free=1000, most=1000)
    one.node.wait_until(lambda: usual_of_liar(one) == 1000, READY_S)
    answer = ask(one)
    assert voters(answer) == {**MEMBERS, "host3": 64}
    assert text_of(answer) == "Answer: 11"


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(says(b"\xff\xfe{ no JSON\n"), id="garbage"),
        pytest.param(says(b'{"kind": "said", "at": 0}\n'), id="a line without its fields"),
        pytest.param(says(b"[" * 100_000 + b"\n"), id="nested JSON"),
        pytest.param(says(said(99, "hello")), id="a worker that there is not"),
        pytest.param(says(BEGAN + ended(0, -5)), id="a negative count"),
        pytest.param(says(BEGAN + ended(0, 10**400)), id="a count beyond all numbers"),
        pytest.param(says(BEGAN), id="no end"),
        pytest.param(says(b""), id="nothing"),
        pytest.param(says(b"x" * 100_000, status=500), id="an error"),
        pytest.param(
            says(b"", status=302, headers={"Location": "/peer/heartbeat"}), id="elsewhere"
        ),
        pytest.param(breaks_off(BEGAN + said(0, "Answer: 11")[:-9]), id="truncated"),
        pytest.param(no_http, id="no HTTP"),
        pytest.param(long_head, id="headers without end"),
        pytest.param(says(b"no gzip", headers={"Content-Encoding": "gzip"}), id="a wrong encoding"),
    ],
)
def test_what_is_no_answer_costs_the_liars_votes_alone(
    reply: Reply, peer: FakePeer, one: Host
) -> None:
    before = figures(one)["failures"]
    peer.reply = reply
    answer = answered(one, body(SUM), MEMBERS)
    assert text_of(answer) == "Answer: 11"
    assert voters(answer) == MEMBERS
    assert voters(answer, "failed") == {"host3": 3}
    after = figures(one)
    assert (after["failures"], bool(after["last_error"])) == (before + 1, True)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(said(0, "word " * 10_000), id="an answer"),
        pytest.param(b"x" * 65_536, id="a line"),
        pytest.param(b"\n" * 65_536, id="pulses"),
    ],
)
def test_a_flood_is_cut_at_its_bound_and_memory_stays(
    piece: bytes, peer: FakePeer, one: Host
) -> None:
    node = psutil.Process(one.node.process.pid)
    before, received = node.memory_info().rss, figures(one)["bytes_in"]
    peer.reply = floods(piece)
    answer = answered(one, body(SUM), MEMBERS)
    assert voters(answer) == MEMBERS
    assert voters(answer, "failed") == {"host3": 3}
    assert figures(one)["bytes_in"] - received < 2 * ANSWER_BYTES
    assert node.memory_info().rss - before < 8 * ANSWER_BYTES


def test_a_peer_that_only_says_that_it_lives_is_left_at_the_deadline(
    peer: FakePeer, one: Host
) -> None:
    peer.reply = drips
    answer = ask(one, deadline_s=4)
    assert voters(answer) == MEMBERS
    assert voters(answer, "cancelled") == {"host3": 3}


def test_a_busy_peer_abstains_and_is_not_blamed(peer: FakePeer, one: Host) -> None:
    before = figures(one)
    peer.reply = says(b"busy", status=429)
    answers = [answered(one, body(SUM), MEMBERS) for _ in range(4)]
    assert [answer["usage"]["swarm"]["abstained"] for answer in answers] == [3] * 4
    peer.reply = says(whole("Answer: 11"))
    assert voters(ask(one))["host3"] == 3
    after = figures(one)
    assert (after["busy"], after["failures"]) == (before["busy"] + 4, before["failures"])


def test_a_peer_that_fails_again_and_again_is_not_asked_for_a_while(
    peer: FakePeer, one: Host
) -> None:
    peer.reply = says(b"garbage\n")
    peer.questions.clear()
    assert [voters(ask(one)) for _ in range(8)] == [MEMBERS] * 8
    assert 3 <= len(peer.questions) < 8


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"protocol": 1}, "versions 1 and 2"),
        ({"free": -3}, "free"),
        ({"usual": 10**12, "free": 10**12, "most": 10**12}, "usual"),
        ({"clock_s": float("inf")}, "clock_s"),
        ({"name": "kitchen\nERROR all is lost"}, "name"),
        ({"model": "m" * 5000}, "model"),
    ],
    ids=["version", "negative", "huge", "clock", "name", "model"],
)
def test_a_status_that_is_not_of_the_protocol_leaves_its_node_out(
    fields: dict[str, Any], word: str, peer: FakePeer, one: Host
) -> None:
    peer.status = odd_status(peer, **fields)
    one.node.wait_until(lambda: ready(one) == {"host2"}, READY_S)
    failing = peers(one)["host3"]["failing"]
    assert (failing["step"], word in failing["reason"]) == ("ready", True), failing
    assert voters(ask(one)) == MEMBERS


def test_a_status_without_end_is_cut(peer: FakePeer, one: Host) -> None:
    peer.status = encode_body(peer.own_status()) + b" " * (1 << 20)
    one.node.wait_until(lambda: ready(one) == {"host2"}, READY_S)
    assert "longer" in peers(one)["host3"]["failing"]["reason"]


def test_more_voters_than_one_question_may_name_are_asked_for_in_bounds(
    peer: FakePeer, one: Host
) -> None:
    peer.status = odd_status(peer, usual=64, free=300, most=300)
    one.node.wait_until(lambda: usual_of_liar(one) == 64, READY_S)
    status, text = one.post("/v1/chat/completions", body("hi", voters=200))
    assert (status, "at most" in text) == (400, True), text
