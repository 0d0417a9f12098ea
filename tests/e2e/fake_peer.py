"""A peer that has the code and says what a test wants: a TLS server on a host, in a thread."""

import asyncio
import contextlib
import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from aiohttp import web

from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.trust import Credentials, NodeKey
from federation.wire import ProposeBody, Status, decode_propose, encode_body
from swarm.errors import PeerTimedOut
from swarm.proposer import Offer
from tests.e2e.hosts import Host
from tests.e2e.house import PEER_PORT, READY_S

TRIES = 5
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakePeer:
    """`reply` is what it says to a question, `status` what to a heartbeat; a test sets both.

    `questions` are those that reached it.
    """

    def __init__(self, host: Host, secret: bytes, folder: Path, name: str) -> None:
        folder.mkdir(exist_ok=True)
        self.host = host
        self.name = name
        self.key = NodeKey.load_or_make(folder / "key.pem")
        self.credentials = Credentials(self.key, secret, folder)
        self.reply: Reply = nothing
        self.questions: list[ProposeBody] = []
        self.status: bytes | None = None
        self._ended = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def own_status(self, offer: Offer | None = None) -> Status:
        """What an honest node would say."""
        return Status(
            version="1",
            node=self.key.node_id,
            name=self.name,
            epoch=1,
            clock_s=time.time(),
            port=PEER_PORT,
            models=(offer or Offer("fake", 3, 8, 8, default=True),),
        )

    async def serve(self, friend: Host, ready: Callable[[], None]) -> None:
        """Listen, and call `friend` so that it knows; until `end`."""
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=16 << 20)
        app.router.add_post("/peer/heartbeat", self._heartbeat)
        app.router.add_post("/peer/propose", self._propose)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await runner.setup()
        context = self.credentials.server_context()
        await web.TCPSite(runner, self.host.ipv4, PEER_PORT, ssl_context=context).start()
        plain = self.credentials.client_context()
        async with PeerClient(plain, plain) as client:
            await hello(client, PeerEndpoint(friend.ipv4, PEER_PORT), self.own_status())
        ready()
        await self._ended.wait()
        server = runner.server
        assert server is not None
        _hang_up(server)
        await runner.cleanup()
        while calls := asyncio.all_tasks() - {asyncio.current_task()}:
            _hang_up(server)  # those that came in at the very end
            await asyncio.wait(calls, timeout=0.05)
        _hang_up(server)
        await asyncio.sleep(0.05)  # a transport closes its socket in a later turn of the loop

    def end(self) -> None:
        """From any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _heartbeat(self, _: web.Request) -> web.Response:
        return web.Response(body=self.status or encode_body(self.own_status()))

    async def _propose(self, request: web.Request) -> web.StreamResponse:
        self.questions.append(decode_propose(await request.read()))
        return await self.reply(request)


async def hello(client: PeerClient, endpoint: PeerEndpoint, status: Status) -> None:
    """A first heartbeat, which a machine that stands still may miss. Raises PeerError."""
    for _ in range(TRIES - 1):
        with contextlib.suppress(PeerTimedOut):
            await client.first_heartbeat(endpoint, status)
            return
    await client.first_heartbeat(endpoint, status)


def _hang_up(server: web.Server) -> None:
    """At once: a farewell of TLS outlives the loop, and its socket would be found open later on."""
    for connection in server.connections:
        if connection.transport is not None:
            connection.transport.abort()


async def nothing(_: web.Request) -> web.StreamResponse:
    """An answer without a line."""
    return web.Response(body=b"")


@contextlib.contextmanager
def fake_peer(host: Host, friend: Host, secret: bytes, folder: Path) -> Iterator[FakePeer]:
    """A fake peer on `host` that `friend` knows of; gone after the block."""
    peer = FakePeer(host, secret, folder, host.name)
    ready = threading.Event()

    def serve() -> None:
        with host.inside():
            asyncio.run(peer.serve(friend, ready.set))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(READY_S)
        yield peer
    finally:
        peer.end()
        thread.join(10)


def odd_status(peer: FakePeer, **fields: object) -> bytes:
    """A status with fields that no honest node would say, past every check of ours."""
    honest = dataclasses.asdict(peer.own_status().models[0])
    offers = [{**honest, **{k: v for k, v in fields.items() if k in honest}}]
    others = {k: v for k, v in fields.items() if k not in honest}
    return (
        peer.own_status()
        .model_copy(update={"models": offers, **others})
        .model_dump_json(warnings=False)
        .encode()
    )
