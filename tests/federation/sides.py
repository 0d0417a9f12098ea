"""Two members of one federation that speak to each other on real sockets, with fake workers."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.peers import PeerTable
from federation.server import MOST_CONNECTIONS, SILENCE_S, Callbacks, PeerDoor
from federation.sharing import Shelf
from federation.tool_keys import ToolKeys
from federation.trust import Credentials, NodeKey, new_secret
from federation.wire import Status, ToolKey
from swarm.chat.completion import Text
from swarm.errors import SwarmError
from swarm.proposer import Began, Ended, Offer, Said, Told
from swarm.types import Message, Question, SamplingParams

SECRET = new_secret()
QUESTION = Question("swarm", (Message("user", "hi"),), SamplingParams())
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeWorkers:
    """Answers of two workers, word by word; remembers who was cancelled."""

    words: tuple[str, ...] = ("good ", "morning")
    error: SwarmError | None = None
    fail_at_end: SwarmError | None = None
    turn: asyncio.Event | None = None
    hold: asyncio.Event | None = None
    running: int = 0
    cancelled: int = 0

    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        if self.error is not None:
            raise self.error
        self.running += 1
        done = False
        try:
            if self.turn is not None:
                await self.turn.wait()
            yield [(at, Began(7, 3)) for at in range(workers)]
            for word in self.words:
                yield [(at, Said((Text(word),), 1)) for at in range(workers)]
            if self.hold is not None:
                await self.hold.wait()
            if self.fail_at_end is not None:
                raise self.fail_at_end
            yield [(at, Ended("stop", len(self.words))) for at in range(workers)]
            done = True
        finally:
            self.running -= 1
            self.cancelled += not done


def tool_keys(own: ToolKey | None, *, shared: bool = True) -> ToolKeys:
    """Of a node that knows nobody yet."""
    keys = ToolKeys(PeerTable("0" * 64, "0" * 16), lambda: None, shared=shared)
    keys.own = own
    return keys


@dataclass
class Side:
    """One node of a federation, as the other one meets it."""

    key: NodeKey
    credentials: Credentials
    workers: FakeWorkers = field(default_factory=FakeWorkers)
    heard: list[tuple[str, Status]] = field(default_factory=list[tuple[str, Status]])
    secrets: list[bytes] = field(default_factory=list[bytes])
    over: list[str] = field(default_factory=list[str])
    told_over: asyncio.Event = field(default_factory=asyncio.Event)
    door: PeerDoor | None = None
    files: dict[str, Path] = field(default_factory=dict[str, Path])
    keys: ToolKeys = field(default_factory=lambda: tool_keys(None))

    @property
    def port(self) -> int:
        assert self.door is not None
        return self.door.port

    def status(self) -> Status:
        return Status(
            version="1",
            node=self.key.node_id,
            name="kitchen",
            epoch=1,
            clock_s=0.0,
            port=17617,
            models=(Offer("nano", 3, 8, 8, default=True),),
        )

    def to(self) -> PeerEndpoint:
        return PeerEndpoint.of(("127.0.0.1", self.port), self.key.node_id)


def side(folder: Path, secret: bytes = SECRET) -> Side:
    folder.mkdir(exist_ok=True)
    key = NodeKey.load_or_make(folder / "key.pem")
    return Side(key, Credentials(key, secret, folder))


@contextlib.asynccontextmanager
async def listening(
    one: Side, most: int = MOST_CONNECTIONS, silence_s: float = SILENCE_S
) -> AsyncIterator[Side]:
    async def renewed(secret: bytes) -> None:
        one.secrets.append(secret)

    async def over(federation: str) -> None:
        one.over.append(federation)
        one.told_over.set()

    callbacks = Callbacks(
        status=one.status,
        heard=lambda node, _, status: one.heard.append((node, status)),
        renewed=renewed,
        over=over,
        answers=one.workers,
        shelf=Shelf(lambda: one.files),
        tool_key=one.keys.told,
    )
    context = await asyncio.to_thread(one.credentials.server_context)
    door = PeerDoor(callbacks, context, hosts=["127.0.0.1"], port=0, most=most, silence_s=silence_s)
    async with door as one.door:
        yield one


@contextlib.asynccontextmanager
async def calling(one: Side, silence_s: float = 5.0) -> AsyncIterator[PeerClient]:
    plain = await asyncio.to_thread(one.credentials.client_context)
    named = await asyncio.to_thread(one.credentials.client_context, named=True)
    async with PeerClient(plain, named, silence_s=silence_s) as client:
        yield client


@contextlib.asynccontextmanager
async def liar(one: Side, handler: Handler) -> AsyncIterator[PeerEndpoint]:
    """A member that answers whatever it likes."""
    app = web.Application()
    app.router.add_post("/peer/propose", handler)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    context: ssl.SSLContext = await asyncio.to_thread(one.credentials.server_context)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield PeerEndpoint.of(("127.0.0.1", port), one.key.node_id)
    finally:
        await runner.cleanup()
