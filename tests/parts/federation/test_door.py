"""The peer door and its client on real sockets: who gets in, what is said, what is bounded."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from federation.advertisement import Advertisement
from federation.client import PeerClient
from federation.copying import copy_file
from federation.endpoint import PeerEndpoint
from federation.metrics import PeerMetrics
from federation.peers import PeerTable
from federation.rooms import MOST_QUESTIONS
from federation.sightings import Sighting
from federation.stragglers import Stragglers
from federation.tool_keys import ToolKeys
from federation.trust import federation_id, new_secret
from federation.wire import (
    ANSWER_BYTES,
    DoneLine,
    EndedLine,
    NewSecret,
    ProposeBody,
    Status,
    ToolKey,
    encode_body,
    encode_line,
)
from swarm.chat.completion import Text
from swarm.errors import (
    ContextOverflow,
    GenerationFailed,
    Overloaded,
    PeerLate,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    ProtocolMismatch,
    UntrustedPeer,
)
from swarm.proposer import Began, Ended, Said, Told
from swarm.types import Message
from tests.federation.sides import (
    QUESTION,
    SECRET,
    Handler,
    Side,
    calling,
    liar,
    listening,
    side,
    tool_keys,
)
from tests.federation.ways import far_away, way_to
from tests.waiting import PATIENCE_S, until

MOST_BYTES = 64 << 20
BODY = ProposeBody(label="test", question=QUESTION, workers=2, remaining_s=5)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for a moment makes no peer late but where a test says so."""
    monkeypatch.setattr("federation.client.HEARTBEAT_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr("federation.client.KEPT_S", PATIENCE_S)


@pytest.fixture
def stranger(tmp_path: Path) -> Side:
    return side(tmp_path / "stranger", new_secret())


async def told(client: PeerClient, endpoint: PeerEndpoint, body: ProposeBody = BODY) -> list[Told]:
    return [one async for step in proposed(client, endpoint, body) for one in step]


def proposed(
    client: PeerClient, endpoint: PeerEndpoint, body: ProposeBody = BODY
) -> AsyncGenerator[list[Told]]:
    return client.propose(endpoint, body, most_bytes=MOST_BYTES, moved=PeerMetrics().moved)


async def test_a_heartbeat_tells_both_sides(here: Side, there: Side) -> None:
    async with listening(there), calling(here) as client:
        assert await client.heartbeat(there.to(), here.status()) == there.status()
        assert there.heard == [(here.key.node_id, here.status())]


async def test_a_heartbeat_without_news_tells_both_sides_the_time(here: Side, there: Side) -> None:
    def later(status: Status) -> Status:
        return status.model_copy(update={"clock_s": 7.5})

    async with listening(there), calling(here) as client:
        await client.heartbeat(there.to(), here.status())
        assert await client.heartbeat(there.to(), later(here.status())) == there.status()
        assert there.heard[-1] == (here.key.node_id, later(here.status()))
        fuller = later(here.status()).model_copy(update={"models": ()})
        await client.heartbeat(there.to(), fuller)
        assert there.heard[-1] == (here.key.node_id, fuller)


async def test_a_node_that_was_started_again_is_told_everything_again(
    here: Side, there: Side
) -> None:
    async with calling(here) as client:
        for _ in range(2):
            async with listening(there):
                for _ in range(2):
                    assert await client.heartbeat(there.to(), here.status()) == there.status()
    assert there.heard == [(here.key.node_id, here.status())] * 4


async def test_a_peer_that_is_far_away_is_reached_in_a_few_heartbeats(
    here: Side, there: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the first heartbeat is answered everything goes there and back twice, then once."""
    monkeypatch.setattr("federation.client.HEARTBEAT_TIMEOUT_S", 0.9)
    async with listening(there), far_away(there.to(), 0.25) as endpoint, calling(here) as client:
        with pytest.raises(PeerTimedOut, match="heartbeat"):
            await client.heartbeat(endpoint, here.status())
        for _ in range(5):
            with contextlib.suppress(PeerTimedOut):
                assert await client.heartbeat(endpoint, here.status()) == there.status()
                return
    pytest.fail("it was never reached")


async def in_one_try_of_three(work: Callable[[], Awaitable[bool]]) -> bool:
    """Whether it succeeds, on a machine that may stand still for a moment."""
    for _ in range(3):
        if await work():
            return True
    return False


async def test_votes_take_no_connection_from_heartbeats(here: Side, there: Side) -> None:
    there.workers.hold = asyncio.Event()
    async with listening(there), way_to(there.to()) as way, calling(here) as client:
        await client.heartbeat(way.endpoint, here.status())
        async with contextlib.aclosing(proposed(client, way.endpoint)) as answer:
            await anext(answer)
            assert way.made == 2
            assert await client.heartbeat(way.endpoint, here.status()) == there.status()
            assert way.made == 2


async def test_questions_one_after_another_take_one_connection(here: Side, there: Side) -> None:
    async with listening(there), way_to(there.to()) as way, calling(here) as client:
        for _ in range(3):
            await told(client, way.endpoint)
        assert way.made == 1


async def test_who_leaves_with_the_last_word_leaves_the_connection_to_the_next_question(
    here: Side, there: Side
) -> None:
    async with listening(there), way_to(there.to()) as way, calling(here) as client:
        for _ in range(3):
            async with contextlib.aclosing(proposed(client, way.endpoint)) as answer:
                ended = 0
                while ended < BODY.workers:
                    ended += sum(isinstance(news, Ended) for _, news in await anext(answer))
            await until(lambda: there.workers.running == 0)
            await until(lambda: not client._beside._tasks)  # the end of the answer is on its way
        assert way.made == 1
        assert there.workers.cancelled == 0


async def test_a_question_waits_for_no_connection_from_before_the_way_changed(
    here: Side, there: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.client.KEPT_S", 0.05)
    async with listening(there), way_to(there.to()) as way, calling(here, 5) as client:
        await asyncio.gather(*(told(client, way.endpoint) for _ in range(3)))
        way.change()
        await asyncio.sleep(0.1)  # nothing tells of it
        assert await told(client, way.endpoint)


@pytest.mark.parametrize("way_s", [0.0, 10.0])
async def test_who_waits_for_a_heartbeat_while_the_code_changes_is_told_so(
    way_s: float, here: Side, there: Side
) -> None:
    async with listening(there), far_away(there.to(), way_s) as endpoint:
        async with calling(here) as client:
            beat = asyncio.create_task(client.heartbeat(endpoint, here.status()))
            for _ in range(20):
                await asyncio.sleep(0)
        with pytest.raises(PeerUnreachable):
            await beat


async def test_nobody_speaks_for_another_node(here: Side, there: Side) -> None:
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused, match="another node"):
            await client.heartbeat(there.to(), replace_node(here.status(), there.key.node_id))
        assert there.heard == []


def replace_node(status: Status, node: str) -> Status:
    return status.model_copy(update={"node": node})


async def test_another_federation_is_not_spoken_to(stranger: Side, there: Side) -> None:
    async with listening(there), calling(stranger) as client:
        with pytest.raises((UntrustedPeer, PeerUnreachable)):
            await client.heartbeat(there.to(), stranger.status())
        assert there.heard == []


async def test_another_member_is_not_taken_for_the_one_that_was_meant(
    here: Side, there: Side
) -> None:
    async with listening(there), calling(here) as client:
        wrong = PeerEndpoint.of(("127.0.0.1", there.port), "0" * 64)
        with pytest.raises(UntrustedPeer, match="TLS"):
            await client.heartbeat(wrong, here.status())
        assert there.heard == []


async def test_answers_come_as_they_are_written_or_in_one_piece(here: Side, there: Side) -> None:
    async with listening(there), calling(here) as client:
        live = await told(client, there.to(), BODY.model_copy(update={"live": True}))
        assert [news for at, news in live if at == 0] == [
            Began(7, 3),
            Said((Text("good "),), 1),
            Said((Text("morning"),), 1),
            Ended("stop", 2),
        ]
        whole = await told(client, there.to())
        assert [news for at, news in whole if at == 1] == [
            Began(7, 3),
            Said((Text("good morning"),), 2),
            Ended("stop", 2),
        ]


async def test_the_bytes_of_a_call_are_counted_both_ways(here: Side, there: Side) -> None:
    metrics = PeerMetrics()
    async with listening(there), calling(here) as client:
        endpoint = there.to()
        async for _ in client.propose(endpoint, BODY, most_bytes=MOST_BYTES, moved=metrics.moved):
            pass
        await client.heartbeat(endpoint, here.status())
    assert metrics.summary().bytes_out == len(encode_body(BODY))
    assert metrics.summary().bytes_in > 100
    sent = metrics.summary().bytes_out
    async with calling(here) as client:
        with pytest.raises(PeerUnreachable):
            await anext(client.propose(endpoint, BODY, most_bytes=MOST_BYTES, moved=metrics.moved))
    assert metrics.summary().bytes_out == sent


def long(size: int) -> ProposeBody:
    """A question of more than that many bytes."""
    told = replace(QUESTION, messages=(Message("user", "x" * size),))
    return BODY.model_copy(update={"question": told})


async def test_a_question_that_an_endpoint_reads_is_read(here: Side, there: Side) -> None:
    async with listening(there), calling(here) as client:
        assert await told(client, there.to(), long(20 << 20))


async def test_a_question_longer_than_a_peer_reads_is_refused_and_why(
    here: Side, there: Side
) -> None:
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused, match="context is too short") as caught:
            await told(client, there.to(), long(33 << 20))
        assert caught.value.status == 413
        unsent = PeerMetrics()
        with pytest.raises(PeerRefused, match="context is too short") as caught:
            await anext(client.propose(there.to(), BODY, most_bytes=10, moved=unsent.moved))
        assert (caught.value.status, unsent.summary().bytes_out) == (413, 0)
        assert await told(client, there.to())


@pytest.mark.parametrize("late", [False, True])
async def test_a_prompt_longer_than_a_peers_context_is_refused_and_why(
    here: Side, there: Side, late: bool
) -> None:
    error = ContextOverflow(5000, 4096)
    there.workers.error, there.workers.fail_at_end = (None, error) if late else (error, None)
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused, match="4096 tokens is too short for 5000") as caught:
            await told(client, there.to())
        assert caught.value.status == 413


async def test_closing_an_answer_cancels_it_there(here: Side, there: Side) -> None:
    there.workers.hold = asyncio.Event()
    async with listening(there), calling(here) as client:
        answer = proposed(client, there.to())
        await anext(answer)
        assert there.workers.running == 1
        await answer.aclose()
        await until(lambda: not there.workers.running)
        assert there.workers.cancelled == 1


async def test_a_caller_that_leaves_as_its_answer_begins_is_no_fault(
    here: Side, there: Side, caplog: pytest.LogCaptureFixture
) -> None:
    there.workers.turn = asyncio.Event()
    async with listening(there), calling(here) as client:
        asked = asyncio.create_task(told(client, there.to(), BODY))
        async with asyncio.timeout(PATIENCE_S):
            await until(lambda: there.workers.running)
            leave(there)
            there.workers.turn.set()
            with pytest.raises(PeerUnreachable):
                await asked
            await until(lambda: not there.workers.running)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def leave(one: Side) -> None:
    """Begin to close its connections, as those of a caller that has left."""
    assert one.door is not None
    assert one.door._server is not None
    for connection in one.door._server.connections:
        assert connection.transport is not None
        connection.transport.close()


async def test_a_busy_peer_says_so(here: Side, there: Side) -> None:
    there.workers.error = Overloaded("full", retry_after_s=3)
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused) as caught:
            await told(client, there.to())
        assert caught.value.status == 429


async def test_one_node_takes_no_more_than_its_share_of_a_peer(here: Side, there: Side) -> None:
    there.workers.hold = asyncio.Event()
    async with listening(there), calling(here) as client:
        answers = [proposed(client, there.to()) for _ in range(MOST_QUESTIONS)]
        for answer in answers:
            await anext(answer)
        with pytest.raises(PeerRefused, match="run here"):
            await told(client, there.to())
        there.workers.hold.set()
        for answer in answers:
            assert [step async for step in answer]
        assert await told(client, there.to())


@contextlib.asynccontextmanager
async def begun_to_say(
    one: Side, other: Side, path: str, body: bytes = b'{"label"'
) -> AsyncGenerator[asyncio.StreamReader]:
    """What answers a member that says a part of a long message, and then nothing."""
    context = await asyncio.to_thread(one.credentials.client_context)
    reader, writer = await asyncio.open_connection("127.0.0.1", other.port, ssl=context)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
    writer.write(head.encode() + body)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await writer.drain()
            yield reader
    finally:
        writer.close()


async def test_who_falls_silent_amid_a_question_holds_no_room(here: Side, there: Side) -> None:
    async with (
        listening(there, silence_s=0.5),
        calling(here) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        for reader in [
            await stack.enter_async_context(begun_to_say(here, there, "/peer/propose"))
            for _ in range(MOST_QUESTIONS)
        ]:
            assert b" 408 " in await reader.readline()
        assert await told(client, there.to())


@pytest.mark.parametrize("path", ["heartbeat", "secret", "over", "files"])
async def test_who_falls_silent_amid_a_message_is_answered(
    path: str, here: Side, there: Side
) -> None:
    async with (
        listening(there, silence_s=0.05),
        begun_to_say(here, there, f"/peer/{path}") as reader,
    ):
        assert b" 408 " in await reader.readline()


async def test_a_message_that_is_too_long_is_not_read(here: Side, there: Side) -> None:
    async with (
        listening(there),
        begun_to_say(here, there, "/peer/over", b" " * 1_500_000) as reader,
    ):
        assert b" 413 " in await reader.readline()


async def test_an_error_in_the_middle_is_told(here: Side, there: Side) -> None:
    there.workers.fail_at_end = GenerationFailed("the engine broke")
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused, match="the engine broke"):
            await told(client, there.to())


async def test_time_that_is_over_ends_an_answer(here: Side, there: Side) -> None:
    there.workers.hold = asyncio.Event()
    async with listening(there), calling(here) as client:
        short = BODY.model_copy(update={"remaining_s": 1.0})
        with pytest.raises(PeerLate, match="time"):
            await told(client, there.to(), short)
    assert there.workers.cancelled == 1


async def test_a_peer_that_waits_for_its_turn_is_not_silent(
    here: Side, there: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.server.PULSE_S", 0.2)

    async def answered() -> bool:
        """Whether it is, after longer than it may be silent."""
        there.workers.turn = asyncio.Event()
        async with listening(there), calling(here, silence_s=1.5) as client:
            body = BODY.model_copy(update={"remaining_s": 3600})
            asked = asyncio.create_task(told(client, there.to(), body))
            await asyncio.wait({asked}, timeout=2.7)
            there.workers.turn.set()
            with contextlib.suppress(PeerTimedOut):
                return bool(await asked)
        return False

    assert await in_one_try_of_three(answered)


async def test_a_door_that_moves_ends_no_answer(here: Side, there: Side) -> None:
    there.workers.hold = asyncio.Event()
    async with listening(there) as one, calling(here) as client:
        assert one.door is not None
        port = one.port
        asked = asyncio.create_task(told(client, there.to(), BODY))
        while not there.workers.running:  # noqa: ASYNC110 - the other side has no event for it
            await asyncio.sleep(0.01)
        await one.door.listen(["127.0.0.2"])
        there.workers.hold.set()
        assert await asked
        moved = PeerEndpoint("127.0.0.2", port, there.to().name)
        assert (await client.heartbeat(moved, here.status())).node == there.key.node_id
        async with calling(here) as newcomer:
            with pytest.raises(PeerUnreachable):
                await newcomer.heartbeat(there.to(), here.status())


async def test_a_new_secret_is_handed_on(here: Side, there: Side) -> None:
    async with listening(there), calling(here) as client:
        await client.hand_secret(there.to(), NewSecret(secret=bytes(range(16))))
    assert there.secrets == [bytes(range(16))]


async def test_who_lives_by_an_old_code_is_told_by_that_code(here: Side, there: Side) -> None:
    over = federation_id(SECRET)
    living = Sighting(
        "attic",
        ("127.0.0.1",),
        0,
        Advertisement.of(there.key.node_id, over),
    )

    def met(federations: Collection[str]) -> list[Sighting]:
        assert set(federations) == {over}
        assert living.advertisement is not None
        return [replace(living, advertisement=replace(living.advertisement, port=there.port))]

    telling = Stragglers([here.credentials], met, settled_s=0)
    async with listening(there):
        task = asyncio.create_task(telling.run())
        async with asyncio.timeout(PATIENCE_S):
            await there.told_over.wait()
        task.cancel()
        await asyncio.wait([task])
    assert there.over == [over]


@pytest.fixture
def model(there: Side, tmp_path: Path) -> Path:
    """A file that the other side shares."""
    path = tmp_path / "model.gguf"
    path.write_bytes(bytes(range(256)) * 8192)
    there.files[path.name] = path
    return path


async def test_a_model_file_is_copied_whole(here: Side, there: Side, model: Path) -> None:
    async with listening(there), calling(here) as client:
        [offer] = await client.files(there.to(), ["model.gguf", "other.gguf"])
        goal = model.parent / "copies"
        await copy_file(client, there.to(), offer, goal, here=int)
        assert same(goal / "model.gguf", model)
        assert [path.name for path in goal.iterdir()] == ["model.gguf"]


async def test_a_copy_goes_on_where_it_broke_off(here: Side, there: Side, model: Path) -> None:
    async with listening(there), calling(here) as client:
        [offer] = await client.files(there.to(), ["model.gguf"])
        half = model.parent / f"copies/model.gguf.{offer.sha256[:16]}.part"
        await asyncio.to_thread(begun, half, model, 1 << 20)
        pieces = [piece async for piece in client.file(there.to(), offer.name, offset=1 << 20)]
        assert sum(map(len, pieces)) == offer.size_bytes - (1 << 20)
        await copy_file(client, there.to(), offer, half.parent, here=int)
        assert same(half.parent / "model.gguf", model)


@pytest.mark.parametrize("size", [0, 256 * 8192])
async def test_a_copy_that_was_left_before_its_check_is_checked_and_done(
    size: int, here: Side, there: Side, model: Path
) -> None:
    await asyncio.to_thread(lambda: model.write_bytes(model.read_bytes()[:size]))
    async with listening(there), calling(here) as client:
        [offer] = await client.files(there.to(), ["model.gguf"])
        whole = model.parent / f"copies/model.gguf.{offer.sha256[:16]}.part"
        await asyncio.to_thread(begun, whole, model, size)
        await copy_file(client, there.to(), offer, whole.parent, here=int)
        assert same(whole.parent / "model.gguf", model)


async def test_a_copy_that_is_too_long_is_thrown_away(here: Side, there: Side, model: Path) -> None:
    async with listening(there), calling(here) as client:
        [offer] = await client.files(there.to(), ["model.gguf"])
        longer = model.parent / f"copies/model.gguf.{offer.sha256[:16]}.part"
        await asyncio.to_thread(begun, longer, model, offer.size_bytes)
        await asyncio.to_thread(lambda: longer.write_bytes(longer.read_bytes() + b"!"))
        with pytest.raises(ProtocolMismatch, match="checksum"):
            await copy_file(client, there.to(), offer, longer.parent, here=int)
        assert list(longer.parent.iterdir()) == []


async def test_a_copy_with_another_checksum_is_thrown_away(
    here: Side, there: Side, model: Path
) -> None:
    async with listening(there), calling(here) as client:
        [offer] = await client.files(there.to(), ["model.gguf"])
        wrong = offer.model_copy(update={"sha256": "0" * 64})
        with pytest.raises(ProtocolMismatch, match="checksum"):
            await copy_file(client, there.to(), wrong, model.parent / "copies", here=int)
        assert list((model.parent / "copies").iterdir()) == []


@pytest.mark.parametrize("offset", [256 * 8192, 256 * 8192 + 1])
async def test_no_byte_behind_a_files_end_is_given(
    offset: int, here: Side, there: Side, model: Path
) -> None:
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused, match=f"has {256 * 8192} bytes"):
            [piece async for piece in client.file(there.to(), model.name, offset=offset)]


async def test_a_caller_that_leaves_amid_a_file_is_no_fault(
    here: Side, there: Side, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(os.truncate, model, 64 << 20)  # more than the sockets hold
    async with (
        listening(there),
        calling(here) as client,
        contextlib.aclosing(client.file(there.to(), model.name, offset=0)) as pieces,
    ):
        assert await anext(pieces)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_only_what_is_shared_can_be_copied(here: Side, there: Side, model: Path) -> None:
    async with listening(there), calling(here) as client:
        for name in ("key.pem", "..%2fthere%2fkey.pem", "../there/key.pem"):
            with pytest.raises(PeerRefused):
                [piece async for piece in client.file(there.to(), name, offset=0)]
        with pytest.raises(ValueError, match="names"):
            await client.files(there.to(), ["../model.gguf"])


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def begun(part: Path, whole: Path, size: int) -> None:
    part.parent.mkdir()
    part.write_bytes(whole.read_bytes()[:size])


async def said_by(handler: Handler, here: Side, there: Side, silence_s: float = 5.0) -> list[Told]:
    async with liar(there, handler) as endpoint, calling(here, silence_s) as client:
        return await told(client, endpoint)


@pytest.mark.parametrize(
    "raw",
    [
        b"no json\n",
        b"[]\n",
        b'{"kind":"said","at":0}\n',
        b'{"kind":"ended","at":9,"news":{"finish":"stop","tokens":1}}\n',
        b'{"kind":"ended","at":0,"news":{"finish":"stop","tokens":1,"more":1}}\n',
        b"\xff\xfe\n",
    ],
)
async def test_nonsense_is_an_error_of_the_peer(raw: bytes, here: Side, there: Side) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=raw)

    with pytest.raises(ProtocolMismatch):
        await said_by(handler, here, there)


async def test_an_endless_answer_is_cut(here: Side, there: Side) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(2 * ANSWER_BYTES >> 16):
            await response.write(b" " * (1 << 16))
        return response

    with pytest.raises(ProtocolMismatch, match="too long"):
        await said_by(handler, here, there)


async def test_an_answer_that_breaks_off_is_none(here: Side, there: Side) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(
            body=b'{"kind":"began","at":0,"news":{"prompt_tokens":1,"cached_tokens":0}}\n'
        )

    with pytest.raises(PeerUnreachable, match="broke off"):
        await said_by(handler, here, there)


async def test_an_answer_whose_end_is_lost_is_whole(here: Side, there: Side) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(encode_line(EndedLine(at=0, news=Ended("stop", 1))))
        await response.write(encode_line(DoneLine()))
        await asyncio.sleep(30)
        return response

    assert await said_by(handler, here, there) == [(0, Ended("stop", 1))]


async def test_silence_ends_the_wait(here: Side, there: Side) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(30)
        return response

    with pytest.raises(PeerTimedOut, match="it said nothing for"):
        await said_by(handler, here, there, silence_s=0.2)


async def test_an_address_where_nothing_answers_is_told_as_such(
    here: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("federation.client.CONNECT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with calling(here) as client:
            with pytest.raises(PeerTimedOut, match="no connection within"):
                await told(client, PeerEndpoint(*silent.getsockname()))


async def test_a_peer_that_is_not_there_is_unreachable(here: Side) -> None:
    async with calling(here) as client:
        with pytest.raises(PeerUnreachable) as caught:
            await client.heartbeat(PeerEndpoint("127.0.0.1", 9), here.status())
    assert str(caught.value) == os.strerror(errno.ECONNREFUSED)


KEY = ToolKey(host="192.168.1.5", port=17616, token="a token of the tests")


async def test_a_member_is_told_the_token_of_the_tool_server(here: Side, there: Side) -> None:
    there.keys.own = KEY
    async with listening(there), calling(here) as client:
        told = await client.tool_key(there.to())
    assert (told.host, told.port) == (KEY.host, KEY.port)
    assert told.token == there.keys.members_token()
    assert KEY.token not in told.token


def test_what_members_are_told_ends_with_the_code() -> None:
    table = PeerTable[Status]("0" * 64, "0" * 16)
    keys = ToolKeys(table, lambda: None, shared=True)
    assert keys.members_token() is None
    keys.own = KEY
    before = keys.members_token()
    assert before == keys.members_token()
    table.belong_to("1" * 16, (), 0.0)
    assert keys.members_token() not in (before, None)


async def test_nobody_else_is_told_it(stranger: Side, there: Side) -> None:
    there.keys.own = KEY
    async with listening(there), calling(stranger) as client:
        with pytest.raises((UntrustedPeer, PeerUnreachable)):
            await client.tool_key(there.to())


@pytest.mark.parametrize("keys", [tool_keys(None), tool_keys(KEY, shared=False)])
async def test_without_a_server_or_with_an_open_door_there_is_no_token(
    keys: ToolKeys, here: Side, there: Side
) -> None:
    there.keys = keys
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused) as caught:
            await client.tool_key(there.to())
        assert caught.value.status == 404


def test_a_token_is_not_shown() -> None:
    assert KEY.token not in repr(KEY)


async def test_the_token_comes_from_the_member_that_has_the_server(here: Side, there: Side) -> None:
    there.keys.own = KEY
    table = PeerTable[Status](here.key.node_id, "0" * 16)
    async with listening(there), calling(here) as client:
        keys = ToolKeys(table, lambda: client, shared=True)
        with pytest.raises(PeerUnreachable, match="no machine"):
            await keys.of(KEY.host, KEY.port)
        endpoint = there.to()
        for host in ("127.0.0.9", endpoint.host):
            table.heard((host, endpoint.port), there.key.node_id, there.status(), 0.0)
        table.failed(there.key.node_id, "reachable", "no answer within 1 s", 1.5)
        assert await keys.of(KEY.host, KEY.port) == there.keys.members_token()
        with pytest.raises(PeerUnreachable, match="port 1"):
            await keys.of(KEY.host, 1)


async def test_an_address_that_is_not_there_yet_leaves_the_others_open(
    here: Side, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(here), calling(here) as client:
        assert here.door is not None
        for _ in range(2):
            await here.door.listen(["127.0.0.1", "192.0.2.7"])
        assert (await client.heartbeat(here.to(), here.status())).node == here.key.node_id
        assert here.door.missing == {"192.0.2.7"}
        assert caplog.text.count("peers cannot call at 192.0.2.7 yet") == 1
        await here.door.listen(["127.0.0.1"])
        assert not here.door.missing


async def test_strangers_that_stay_silent_keep_no_peer_out_and_cut_no_answer(
    here: Side, there: Side
) -> None:
    there.workers.hold = asyncio.Event()
    async with listening(there, most=4), calling(here) as client:
        answer = proposed(client, there.to())
        async with asyncio.timeout(PATIENCE_S):
            assert await anext(answer) == []
            silent = [await asyncio.open_connection("127.0.0.1", there.port) for _ in range(20)]
            for reader, _ in silent[:17]:
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            assert await client.heartbeat(there.to(), here.status()) == there.status()
            there.workers.hold.set()
            assert [step async for step in answer]
        for _, writer in silent:
            writer.close()


async def test_who_leaves_amid_the_handshake_leaves_a_place(here: Side, there: Side) -> None:
    async with listening(there) as door, calling(here) as client:
        assert door.door is not None
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):
            _, writer = await asyncio.open_connection("127.0.0.1", there.port)
            writer.write(said)
            await writer.drain()
            writer.close()
        await client.heartbeat(there.to(), here.status())
        places = door.door._places
        await until(lambda: len(places) <= 1)


async def test_the_words_of_a_refusal_can_be_shown(here: Side, there: Side) -> None:
    there.workers.error = PeerRefused("\x1b[2J\x1b]52;c;eA==\x07 no\x9b31m", status=400)
    async with listening(there), calling(here) as client:
        with pytest.raises(PeerRefused) as caught:
            await told(client, there.to())
    assert str(caught.value) == "\ufffd[2J\ufffd]52;c;eA==\ufffd no\ufffd31m"
    assert caught.value.status == 400
