"""A door on loopback with a fake engine behind it."""

import asyncio
import contextlib
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import aiohttp
import openai
import pytest

from api.agent import Agent
from api.app import make_app
from api.context import PEERS
from api.keyring import Keyring
from api.server import MOST_CONNECTIONS, ClientServer
from guard import LOOPBACK_NAMES, Door
from settings import KeySettings
from swarm.pool import Pool, ServedModel
from swarm.proposer import Proposer
from swarm.workers import VoteWeights
from tests.fakes import FakeEngine
from tests.ports import free_port
from tools.executor import Executor


@dataclass
class Node:
    """A served fake engine and ways to speak to it."""

    engine: FakeEngine
    pool: Pool
    port: int
    http: aiohttp.ClientSession
    sdk: openai.AsyncOpenAI


StartNode = Callable[..., AbstractAsyncContextManager[Node]]


TLS = ssl.create_default_context()
"""Made once: it reads the certificates of all authorities, which takes twenty milliseconds."""


def client_of(base: str) -> openai.AsyncOpenAI:
    """OpenAI's own client, pointed at a node."""
    http = openai.DefaultAsyncHttpxClient(verify=TLS)
    return openai.AsyncOpenAI(
        base_url=f"{base}/v1", api_key="none", max_retries=0, http_client=http
    )


@contextlib.asynccontextmanager
async def started(
    engine: FakeEngine,
    *,
    max_requests: int = 64,
    pulse_s: float = 0.05,
    header_s: float = 10.0,
    most: int = MOST_CONNECTIONS,
    usual_workers: int = 1,
    beside: FakeEngine | None = None,
    weights: VoteWeights | None = None,
    keys: Mapping[str, KeySettings] | None = None,
    agent: Agent | None = None,
    tools: Executor | None = None,
    peers: Sequence[Proposer] = (),
    names: tuple[str, ...] = LOOPBACK_NAMES,
    hosts: tuple[str, ...] = ("127.0.0.1",),
    any_address: bool = False,
    beyond: bool = False,
) -> AsyncIterator[Node]:
    port = free_port()
    pool = Pool(
        [ServedModel("fake", engine, 1_700_000_000)]
        + ([ServedModel("beside", beside, 1_700_000_000)] if beside else []),
        max_requests=max_requests,
        usual_workers=usual_workers,
        weights=weights,
    )
    keyring = Keyring()
    keyring.hold(keys or {})
    door = Door(port, names=names, any_address=any_address, beyond=beyond)
    app = make_app(pool, door, keyring=keyring, agent=agent, tools=tools, pulse_s=pulse_s)
    app[PEERS] = lambda: peers
    base = f"http://127.0.0.1:{port}"
    async with (
        ClientServer(hosts=hosts, port=port, header_s=header_s, most=most) as server,
        server.serving(app),
        aiohttp.ClientSession(base) as http,
        client_of(base) as sdk,
    ):
        yield Node(engine, pool, port, http, sdk)


@pytest.fixture
def start_node() -> StartNode:
    return started


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with started(FakeEngine()) as running:
        yield running


@contextlib.asynccontextmanager
async def nobodys_door(answer: bytes) -> AsyncIterator[int]:
    """The port of a program that is no node: whatever it is asked, it says this and closes."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


NO_NODE = (
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n<html>",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
    b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n["data", "none"]',
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>",
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\nnothing",
)
"""What programs say that are no node."""


@pytest.fixture
def nobodys_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names a proxy for everything, at which nobody listens."""
    monkeypatch.setattr(urllib.request, "_opener", None)  # keeps what it read the first time
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
