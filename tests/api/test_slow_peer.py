"""An answer that only a peer gives, and a peer that reads long before it says a word."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from api.app import make_app
from api.context import PEERS
from api.server import ClientServer
from federation.peer_proposer import Asking, PeerProposer
from federation.peers import PeerTable
from federation.trust import federation_id
from federation.wire import DoneLine, FailedLine, Status, decode_propose, encode_line, encode_lines
from guard import LOOPBACK_NAMES
from guard import Door as ClientDoor
from swarm.chat.completion import Text
from swarm.pool import Pool, ServedModel
from swarm.proposer import Began, Ended, Said, Told
from tests.fakes import FakeEngine
from tests.federation.sides import SECRET, calling, liar, side
from tests.ports import free_port

IDS = ("nano", "nano-fast")  # by vote, and one worker


class SlowPeer:
    """Takes a question and shows that it lives; answers with `last` when it is told to."""

    def __init__(self, last: bytes | None = None) -> None:
        self.go_on = asyncio.Event()
        self._last = last

    async def reply(self, request: web.Request) -> web.StreamResponse:
        workers = decode_propose(await request.read()).workers
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"\n")
        await self.go_on.wait()
        await response.write(self._last or answer_of(workers))
        return response


def answer_of(workers: int) -> bytes:
    told: list[Told] = []
    for at in range(workers):
        told += [(at, Began(7, 0)), (at, Said((Text("good morning"),), 2)), (at, Ended("stop", 2))]
    return encode_lines(told) + encode_line(DoneLine())


Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def streamed(
    reply: Reply, model: str, folder: Path
) -> AsyncGenerator[aiohttp.ClientResponse]:
    """The stream of a client whose question is for a peer that replies so."""
    here = await asyncio.to_thread(side, folder / "here")
    there = await asyncio.to_thread(side, folder / "there")
    table = PeerTable[Status](here.key.node_id, federation_id(SECRET))
    port = free_port()
    app = make_app(
        Pool([ServedModel("fake", FakeEngine(), 0)]),
        ClientDoor(port, names=LOOPBACK_NAMES),
        pulse_s=0.05,
    )
    body: Any = {"model": model, "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    async with liar(there, reply) as door, calling(here) as client:
        status = there.status()
        table.heard((door.host, door.port), there.key.node_id, status, 0.0)
        [peer] = table.ready()
        proposer = PeerProposer(peer, status, "kitchen", Asking(table, client))
        app[PEERS] = lambda: (proposer,)
        async with (
            ClientServer(hosts=["127.0.0.1"], port=port) as server,
            server.serving(app),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
            http.post("/v1/chat/completions", json=body) as response,
        ):
            yield response


async def until(response: aiohttp.ClientResponse, mark: bytes) -> bytes:
    raw = b""
    async with asyncio.timeout(10):
        while mark not in raw:
            raw += await response.content.readany()
    return raw


async def rest(response: aiohttp.ClientResponse) -> bytes:
    """What still comes, also of a stream that is cut."""
    raw = b""
    with contextlib.suppress(aiohttp.ClientPayloadError):
        while piece := await response.content.readany():
            raw += piece
    return raw


@pytest.mark.parametrize("model", IDS)
async def test_a_stream_lives_while_the_peer_reads_its_prompt(model: str, tmp_path: Path) -> None:
    peer = SlowPeer()
    async with streamed(peer.reply, model, tmp_path) as response:
        begun = await until(response, b": keep-alive")
        assert b'"role": "assistant"' in begun
        assert b"good" not in begun
        peer.go_on.set()
        ended = await rest(response)
    assert b"good morning" in ended
    assert ended.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("model", IDS)
async def test_a_refusal_after_that_is_an_event_and_no_false_end(
    model: str, tmp_path: Path
) -> None:
    why = "its context of 4096 tokens is too short for 5000"
    peer = SlowPeer(encode_line(FailedLine(why=why, status=413)))
    async with streamed(peer.reply, model, tmp_path) as response:
        await until(response, b": keep-alive")
        peer.go_on.set()
        ended = await rest(response)
    [event] = [line for line in ended.splitlines() if line.startswith(b"data: ")]
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize("model", IDS)
async def test_a_refusal_at_once_is_a_status(model: str, tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=429, text="the queue is full")

    async with streamed(refuse, model, tmp_path) as response:
        assert response.status == 429
