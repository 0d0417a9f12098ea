"""A client of peers whose time is over: nobody waits for what can come no more."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.metrics import PeerMetrics
from federation.trust import Credentials, NodeKey, new_secret
from federation.wire import ProposeBody
from swarm.errors import PeerUnreachable
from swarm.proposer import Told
from swarm.types import Message, Question, SamplingParams

QUESTION = Question("swarm", (Message("user", "hi"),), SamplingParams())
BODY = ProposeBody(label="swarm", question=QUESTION, workers=1, remaining_s=5)


async def heard(client: PeerClient, endpoint: PeerEndpoint) -> list[list[Told]]:
    return [
        step
        async for step in client.propose(
            endpoint, BODY, most_bytes=1 << 30, moved=PeerMetrics().moved
        )
    ]


@contextlib.asynccontextmanager
async def speechless(credentials: Credentials, asked: asyncio.Event) -> AsyncIterator[PeerEndpoint]:
    """A peer that begins an answer and says no more."""

    async def propose(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"\n")
        asked.set()
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_post("/peer/propose", propose)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.01)
    await runner.setup()
    context = await asyncio.to_thread(credentials.server_context)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    try:
        await site.start()
        port = runner.addresses[0][1]
        yield PeerEndpoint.of(("127.0.0.1", port), credentials.key.node_id)
    finally:
        await runner.cleanup()


async def test_who_asks_through_a_client_of_an_old_code_is_told_so() -> None:
    context = ssl.create_default_context()
    async with PeerClient(context, context) as client:
        pass
    with pytest.raises(PeerUnreachable, match="code changed"):
        await heard(client, PeerEndpoint("127.0.0.1", 1))
    with pytest.raises(PeerUnreachable, match="code changed"):
        await client.files(PeerEndpoint("127.0.0.1", 1), ["model.gguf"])


async def test_who_waits_for_an_answer_while_the_code_changes_is_told_so(tmp_path: Path) -> None:
    key = await asyncio.to_thread(NodeKey.load_or_make, tmp_path / "key.pem")
    credentials = Credentials(key, new_secret(), tmp_path)
    named = await asyncio.to_thread(credentials.client_context, named=True)
    asked = asyncio.Event()
    async with speechless(credentials, asked) as endpoint:
        async with PeerClient(named, named) as client:
            waiting = asyncio.create_task(heard(client, endpoint))
            await asked.wait()
            await asyncio.sleep(0.05)  # the answer's first byte is read
        with pytest.raises(PeerUnreachable, match="code changed"):
            await asyncio.wait_for(waiting, 10)
