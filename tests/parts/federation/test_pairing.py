"""A machine that is alone joins by its PIN; everybody else gets nothing. Real sockets."""

import asyncio
import base64
import contextlib
import itertools
import json
import logging
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
import pytest

from federation.pairing import Joined, PairingDoor, approve
from federation.pake import Side
from federation.pin import Pin
from federation.trust import OPEN_SECRET, encode_code
from swarm.errors import (
    ConfigurationError,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    ProtocolMismatch,
)
from tests.waiting import PATIENCE_S

PIN, WRONG = "482913", "482914"
SECRET = bytes(range(100, 116))
MEMBER, ALONE = "aa" * 32, "bb" * 32
LOOPBACK = ["127.0.0.1"]


class Alone:
    """A machine that shows a PIN; its clock stands still until it is moved."""

    def __init__(self):
        self.now_s = 0.0
        self.joined: list[Joined] = []
        self.full_disk = False
        numbers = itertools.count(int(PIN), 1000)
        self.pin = Pin(lambda below: next(numbers), 0.0)

    def door(self, **options) -> PairingDoor:
        options = {"addresses": LOOPBACK, "clock": lambda: self.now_s} | options
        return PairingDoor(ALONE, self.pin, on_joined=self._store, **options)

    async def _store(self, joined: Joined) -> None:
        if self.full_disk:
            raise OSError("no room on disk")
        self.joined.append(joined)


@pytest.fixture
def alone():
    return Alone()


async def let_in(digits, port, *, addresses=LOOPBACK, secret=SECRET) -> str:
    return await approve(
        digits,
        addresses,
        port,
        node_id=MEMBER,
        secret=secret,
        door_addresses=["192.168.1.5", "fd00::5", "fe80::5%eth0"],
        door_port=17617,
    )


async def post(port, path, body: bytes, **headers) -> tuple[int, dict, aiohttp.ClientResponse]:
    headers = {"Content-Type": "application/json"} | headers
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}/pair/{path}", data=body, headers=headers) as answer,
    ):
        text = await answer.text()
        return answer.status, json.loads(text) if text[:1] == "{" else {}, answer


async def finish_with(port, digits, changes: dict) -> tuple[int, dict]:
    """What `approve` does, with a handover that says something else."""
    side, body = begin_body(digits)
    _, begun, _ = await post(port, "begin", body)
    message = base64.urlsafe_b64decode(begun["message"])
    channel = side.finish(message, caller=MEMBER, door=begun["node"])
    handover = {"secret": base64_of(SECRET), "past": [], "addresses": [], "port": 17617} | changes
    sealed = base64_of(channel.seal(json.dumps(handover).encode()))
    finish = json.dumps({"session": begun["session"], "sealed": sealed}).encode()
    status, answer, _ = await post(port, "finish", finish)
    return status, answer


def base64_of(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()


def begin_body(digits=WRONG, protocol=1, **more) -> tuple[Side, bytes]:
    side = Side.caller(digits)
    body = {"protocol": protocol, "node": MEMBER, "message": base64_of(side.message)} | more
    return side, json.dumps(body).encode()


# Joining


async def test_the_right_pin_joins(alone):
    async with alone.door() as door:
        assert await let_in(PIN, door.port) == ALONE
    assert alone.joined == [Joined(MEMBER, SECRET, (), ("192.168.1.5", "fd00::5"), 17617)]


async def test_it_listens_where_it_is_told_and_nowhere_else(alone):
    async with alone.door(addresses=["127.0.0.2", "::1"]) as door:
        with pytest.raises(PeerUnreachable):
            await let_in(PIN, door.port)
        assert await let_in(PIN, door.port, addresses=["127.0.0.1", "::1"]) == ALONE


async def test_an_address_that_is_not_there_is_said_once(alone, caplog):
    async with alone.door(addresses=["192.0.2.1", "127.0.0.1"]) as door:
        assert await let_in(PIN, door.port) == ALONE
    assert [record.getMessage()[:37] for record in caplog.records] == [
        "pairing does not listen on 192.0.2.1 "
    ]


async def test_no_address_at_all_is_an_error(alone):
    with pytest.raises(OSError, match=r"192\.0\.2\.1 port 0"):
        async with alone.door(addresses=["192.0.2.1"]):
            pass


async def test_after_it_has_joined_nobody_can_take_it(alone):
    async with alone.door() as door:
        await let_in(PIN, door.port)
        with pytest.raises(PeerRefused) as refused:
            await let_in(PIN, door.port, secret=bytes(16))
    assert refused.value.status == 409
    assert "has joined a federation" in str(refused.value)
    assert [joined.secret for joined in alone.joined] == [SECRET]


async def test_of_two_members_at_once_one_wins(alone):
    async with alone.door() as door:
        calls = [let_in(PIN, door.port), let_in(PIN, door.port, secret=bytes(16))]
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert Counter(type(end) for end in ends) == {str: 1, PeerRefused: 1}
    assert len(alone.joined) == 1


async def test_a_machine_that_cannot_store_it_is_not_joined_and_can_try_again(alone):
    async with alone.door() as door:
        alone.full_disk = True
        for _ in range(3):  # right PINs: they do not count as tries
            with pytest.raises(PeerRefused) as refused:
                await let_in(PIN, door.port)
            assert refused.value.status == 500
        alone.full_disk = False
        assert await let_in(PIN, door.port) == ALONE


async def test_an_open_federation_is_not_handed_out(alone):
    async with alone.door() as door:
        with pytest.raises(ConfigurationError, match="--open"):
            await let_in(PIN, door.port, secret=OPEN_SECRET)


async def test_an_open_federation_is_not_taken(alone):
    async with alone.door() as door:
        status, _ = await finish_with(door.port, PIN, {"secret": base64_of(OPEN_SECRET)})
    assert (status, alone.joined) == (403, [])


# The PIN


async def test_a_wrong_pin_is_refused_and_three_change_it(alone):
    async with alone.door() as door:
        for _ in range(3):
            assert alone.pin.digits(0.0) == PIN
            with pytest.raises(PeerRefused) as refused:
                await let_in(WRONG, door.port)
            assert refused.value.status == 403
        assert alone.pin.digits(0.0) != PIN
        with pytest.raises(PeerRefused, match="in 11 s") as refused:
            await let_in(alone.pin.digits(0.0), door.port)
        assert refused.value.status == 429
        alone.now_s = 10.0
        assert await let_in(alone.pin.digits(10.0), door.port) == ALONE


async def test_the_third_try_may_be_the_right_one(alone):
    async with alone.door() as door:
        for _ in range(2):
            with pytest.raises(PeerRefused):
                await let_in(WRONG, door.port)
        assert await let_in(PIN, door.port) == ALONE


async def test_ten_thousand_guesses_join_nothing(alone):
    async with alone.door() as door:
        bodies = [begin_body(f"{guess:06d}")[1] for guess in range(10)]
        statuses = await fire(door.port, bodies * 1000)
    assert statuses == {200: 3, 429: 9997}
    assert alone.joined == []


async def fire(port: int, bodies: list[bytes]) -> Counter:
    """Post all to `/pair/begin` as fast as the door reads, 200 over each connection."""
    statuses: Counter = Counter()
    for group in (bodies[at : at + 200] for at in range(0, len(bodies), 200)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"".join(raw_request(port, body) for body in group))
            for _ in group:
                statuses[await status_of(reader)] += 1
        finally:
            writer.close()
            await writer.wait_closed()
    return statuses


def raw_request(port: int, body: bytes) -> bytes:
    head = f"POST /pair/begin HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def status_of(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length: ")[2].split(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


# Who listens, who lies


async def test_a_listener_learns_neither_pin_nor_secret(alone):
    async with alone.door() as door, recorded(door.port) as (port, heard):
        assert await let_in(PIN, port) == ALONE
    assert b"/pair/finish" in heard
    secrets = [SECRET, SECRET.hex().encode(), base64_of(SECRET).encode()[:20]]
    secrets += [encode_code(SECRET).encode(), b"192.168.1.5", PIN.encode()]
    assert [secret for secret in secrets if secret in heard] == []


async def test_the_log_holds_neither_pin_nor_secret(alone, caplog):
    caplog.set_level(logging.DEBUG)
    async with alone.door() as door:
        for digits in (WRONG, WRONG, PIN):
            try:
                await let_in(digits, door.port)
            except PeerRefused as refused:
                logging.getLogger("test").info("%r", refused)
    words = caplog.text + repr(alone.joined)
    assert "three tries" in words
    secrets = [PIN, WRONG, alone.pin.digits(0.0), SECRET.hex(), repr(SECRET), encode_code(SECRET)]
    assert [secret for secret in secrets if secret in words] == []


def test_what_was_handed_over_is_not_told_in_words():
    past = bytes(range(16))
    words = repr(Joined(MEMBER, SECRET, (past,), ("10.0.0.2",), 7))
    assert "10.0.0.2" in words
    assert [secret for secret in (repr(SECRET), repr(past)) if secret in words] == []


async def test_pairings_that_nobody_finished_in_time_are_forgotten(alone):
    async with alone.door() as door:
        for now_s in (0.0, 10.0, 20.1):
            alone.now_s = now_s
            await post(door.port, "begin", begin_body()[1])
            kept = len(door._sessions)
        assert kept == 1


async def test_an_impostor_without_the_pin_gets_nothing_of_use():
    impostor = Alone()
    impostor.pin = Pin(lambda below: int(WRONG), 0.0)
    async with impostor.door() as door, recorded(door.port) as (port, heard):
        with pytest.raises(PeerRefused, match="not the one that the machine shows"):
            await let_in(PIN, port)
    assert impostor.joined == []
    assert heard.count(b"POST ") == 1  # nothing sealed was sent at all
    assert b"/pair/finish" not in heard


async def test_a_relay_that_changes_the_door_s_name_breaks_the_proof(alone):
    def rename(data: bytes) -> bytes:
        return data.replace(ALONE.encode(), b"cc" * 32)

    async with alone.door() as door, recorded(door.port, rename) as (port, _):
        with pytest.raises(PeerRefused, match="not the one"):
            await let_in(PIN, port)
    assert alone.joined == []


async def test_who_claims_to_have_joined_must_prove_it(alone):
    def forge(data: bytes) -> bytes:
        start, found, _ = data.partition(b'"joined":true,"proof":"')
        return start + found + base64_of(bytes(32)).encode() + b'"}' if found else data

    async with alone.door() as door, recorded(door.port, forge) as (port, _):
        with pytest.raises(ProtocolMismatch, match="no proof that it has joined"):
            await let_in(PIN, port)


@asynccontextmanager
async def recorded(port, change=lambda data: data):
    """A port before `port`, and every byte that passes it in either direction."""
    heard = bytearray()

    async def pump(reader, writer, named, name):
        while data := await reader.read(65536):
            heard.extend(data)
            writer.write(change(data).replace(named, name))
        writer.close()

    async def relay(reader, writer):
        there, back = await asyncio.open_connection("127.0.0.1", port)
        host = [f"127.0.0.1:{number}\r\n".encode() for number in (here, port)]
        await asyncio.gather(pump(reader, back, *host), pump(there, writer, *host))

    async with await asyncio.start_server(relay, "127.0.0.1", 0) as listening:
        here = listening.sockets[0].getsockname()[1]
        yield here, heard


# Nonsense at the door


GARBAGE = [
    ("begin", b"", "the body: Invalid JSON"),
    ("begin", b"\x00\xff\xfe", "the body: Invalid JSON"),
    ("begin", b"[]", "the body: "),
    ("begin", b'{"protocol": "1"}', "protocol: "),
    ("begin", b'{"protocol": 2, "new": true}', "version 2, this one by 1"),
    ("begin", b'{"protocol": 1, "node": "kitchen"}', "node: "),
    ("begin", begin_body(message="AAAA")[1], "message: "),
    ("begin", begin_body(more=1)[1], "more: Extra inputs"),
    ("begin", begin_body(message=base64_of(b"A" + bytes(32)))[1], "no SPAKE2 message"),
    ("finish", b'{"session": "1"}', "session: "),
    ("finish", b"{" * 4000, "the body: Invalid JSON"),
]


@pytest.mark.parametrize(("path", "body", "complaint"), GARBAGE, ids=range(len(GARBAGE)))
async def test_garbage_gets_a_clean_400(alone, caplog, path, body, complaint):
    async with alone.door() as door:
        status, answer, _ = await post(door.port, path, body)
        assert (status, complaint in answer["error"]) == (400, True), answer
        assert await let_in(PIN, door.port) == ALONE
    assert caplog.records == []


@pytest.mark.parametrize("changes", [{"port": "x"}, {"secret": "AAAA"}, {"addresses": ["a b"]}])
async def test_a_handover_that_makes_no_sense_joins_nothing(alone, changes):
    async with alone.door() as door:
        status, answer = await finish_with(door.port, PIN, changes)
    assert (status, alone.joined) == (400, [])
    assert next(iter(changes)) in answer["error"]


async def test_a_body_has_an_end(alone):
    async with alone.door() as door:
        status, _, _ = await post(door.port, "begin", b" " * 5000)
    assert status == 413


async def test_a_session_is_for_one_finish_and_for_a_short_while(alone):
    async with alone.door() as door:
        _, begun, _ = await post(door.port, "begin", begin_body()[1])
        finish = json.dumps({"session": begun["session"], "sealed": "AAAA"}).encode()
        ends = [(await post(door.port, "finish", finish))[0] for _ in range(2)]
        _, begun, _ = await post(door.port, "begin", begin_body()[1])
        alone.now_s = 10.1
        finish = json.dumps({"session": begun["session"], "sealed": "AAAA"}).encode()
        ends.append((await post(door.port, "finish", finish))[0])
    assert ends == [403, 409, 409]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_a_web_page_may_not_guess(alone, headers, status):
    async with alone.door() as door:
        for _ in range(5):
            answer = await post(door.port, "begin", begin_body()[1], **headers)
            assert answer[0] == status
    assert alone.pin.digits(0.0) == PIN


async def test_who_is_slow_is_sent_away(alone):
    async with alone.door(patience_s=0.1) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"POST /pair/begin HTTP/1.1\r\nHost: ")
        assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        writer.close()


async def test_a_crowd_keeps_nobody_out(alone):
    async with alone.door() as door:
        crowd = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(100)]
        for reader, _ in crowd[:50]:
            with contextlib.suppress(ConnectionError):
                assert await asyncio.wait_for(reader.read(), PATIENCE_S) == b""
        await let_in(PIN, door.port)
        for _, writer in crowd:
            writer.transport.abort()
    assert alone.joined


# Nonsense from a door


@asynccontextmanager
async def answering(answer: bytes):
    """A port that says `answer` to whatever it is asked, and then nothing."""

    async def say(reader, writer):
        await reader.readuntil(b"}")
        writer.write(answer)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


def http(status: str, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "error", "complaint"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", ProtocolMismatch, "not HTTP"),
        (http("200 OK", b"hello"), ProtocolMismatch, "Invalid JSON"),
        (http("200 OK", b"x" * 5000), ProtocolMismatch, "longer than 4096"),
        (http("302 Found", b"", "Location: http://127.0.0.1:1/\r\n"), PeerRefused, "302"),
        (http("400 No", b'{"error": "no", "protocol": 7}'), ProtocolMismatch, "version 7"),
        (
            http("409 No", b'{"error": "busy\\u001b[31m"}'),
            PeerRefused,
            "^the .* refused: busy\ufffd\\[31m$",
        ),
        (http("409 No", b"busy"), PeerRefused, "^the machine refused: it answered .* status 409$"),
        (http("429 No", b"", "Retry-After: \x1b[31m\r\n"), PeerRefused, "later"),
        (b"", PeerTimedOut, "no answer in time"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", PeerTimedOut, "no answer in time"),
    ],
)
async def test_a_door_that_talks_nonsense_is_a_clean_error(answer, error, complaint):
    async with answering(answer) as port:
        with pytest.raises(error, match=complaint):
            await approve(
                PIN,
                LOOPBACK,
                port,
                node_id=MEMBER,
                secret=SECRET,
                door_addresses=[],
                door_port=1,
                timeout_s=0.3 if error is PeerTimedOut else 10.0,
            )


async def test_nobody_there_is_said_with_the_address():
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1"):
        await let_in(PIN, 1)
    with pytest.raises(PeerUnreachable, match="announces no address"):
        await let_in(PIN, 1, addresses=[])
