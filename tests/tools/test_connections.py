"""The tool door on real sockets: so many connections, and what each may keep it waiting for."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest_asyncio

from guard import Door
from tools.kept import KeptOutputs
from tools.registry import Registry
from tools.server import ToolServer, make_app
from tools.workspace import Workspace

TOKEN = "a token of the tests"
MOST = 4


@pytest_asyncio.fixture
async def served(workspace: Workspace, kept: KeptOutputs) -> AsyncIterator[ToolServer]:
    app = make_app(Registry(workspace, kept), Door(80), token=TOKEN)
    async with ToolServer(app, hosts=["127.0.0.1"], port=0, most=MOST) as server:
        yield server


def head(request: str, *lines: str, token: str = TOKEN) -> bytes:
    told = ("Host: 127.0.0.1", "Content-Type: application/json", f"Authorization: Bearer {token}")
    return "\r\n".join((f"{request} HTTP/1.1", *told, *lines, "", "")).encode()


async def say(served: ToolServer, raw: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(raw)
    return reader, writer


async def status(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(5):
        return (await reader.readline())[9:12]


async def end(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(1 << 16):
                pass


async def test_idle_connections_keep_nobody_out(served: ToolServer) -> None:
    idle = [await say(served, head("GET /v1/tools")) for _ in range(3 * MOST)]
    for reader, _ in idle[: 2 * MOST]:
        await end(reader)
    reader, writer = await say(served, head("GET /v1/tools"))
    assert await status(reader) == b"200"
    for _, each in (*idle, (reader, writer)):
        each.close()


async def test_no_request_that_runs_is_cut_for_another(served: ToolServer) -> None:
    body = '{"name": "todoread"}'
    execute = head("POST /v1/tools/execute", f"Content-Length: {len(body)}", "Expect: 100-continue")
    running = [await say(served, execute) for _ in range(MOST)]
    for reader, _ in running:
        assert await status(reader) == b"100"
        await reader.readline()
    one_more, writer = await say(served, head("GET /v1/tools"))
    await end(one_more)
    for reader, each in running:
        each.write(body.encode())
        assert await status(reader) == b"200"
    for _, each in (*running, (one_more, writer)):
        each.close()
