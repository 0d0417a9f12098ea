"""The tool door on real sockets: so many connections, and what each may keep it waiting for."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from guard import Door
from tools import connections
from tools.kept import KeptOutputs
from tools.registry import Registry
from tools.server import ToolServer, make_app
from tools.threads import Threads
from tools.workspace import Workspace

TOKEN = "a token of the tests"
MOST = 4


@pytest_asyncio.fixture
async def served(
    workspace: Workspace, kept: KeptOutputs, threads: Threads
) -> AsyncIterator[ToolServer]:
    app = make_app(Registry(workspace, kept, threads), Door(80), token=TOKEN)
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
    ends = asyncio.as_completed([end(reader) for reader, _ in idle])
    for each in itertools.islice(ends, 2 * MOST):
        await each
    reader, writer = await say(served, head("GET /v1/tools"))
    assert await status(reader) == b"200"
    for _, opened in (*idle, (reader, writer)):
        opened.close()
    for each in ends:
        await each


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


async def test_who_is_refused_holds_no_connection_by_its_body(
    served: ToolServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.2)
    long = head("POST /v1/tools/execute", "Content-Length: 1000000", token="wrong")
    reader, writer = await say(served, long)
    assert await status(reader) == b"401"
    writer.write(b"x")
    await end(reader)
    writer.close()


async def test_a_body_that_nobody_reads_may_end_and_the_connection_goes_on(
    served: ToolServer,
) -> None:
    refused = head("POST /v1/tools/execute", "Content-Length: 2", token="wrong")
    reader, writer = await say(served, refused)
    async with asyncio.timeout(5):
        assert b" 401 " in await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"}}")
        writer.write(b"{")
        writer.write(b"}" + head("GET /v1/tools"))
        assert await status(reader) == b"200"
    writer.close()


async def test_an_idle_connection_ends_also_after_a_body_that_nobody_read(
    served: ToolServer,
) -> None:
    refused = head("POST /v1/tools/execute", "Content-Length: 2", token="wrong")
    reader, writer = await say(served, refused)
    assert await status(reader) == b"401"
    (connection,) = served._server.server_state.connections
    assert isinstance(connection, connections.Connection)
    writer.write(b"{}")
    async with asyncio.timeout(5):
        while connection._awaited:  # noqa: ASYNC110 - what is read has no event
            await asyncio.sleep(0.005)
    assert connection.timeout_keep_alive_task is not None
    writer.close()


@pytest.mark.parametrize("path", ["/v1/tools/execute", "/mcp"])
async def test_a_body_that_takes_too_long_is_refused(
    served: ToolServer,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connections, "BODY_S", 0.2)
    accept = "Accept: application/json, text/event-stream"
    slow = head(f"POST {path}", "Content-Length: 1000000", accept)
    reader, writer = await say(served, slow + b"{")
    assert await status(reader) == b"408"
    await end(reader)
    writer.close()
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


async def test_who_leaves_amid_a_body_is_no_error_of_ours(
    served: ToolServer, caplog: pytest.LogCaptureFixture
) -> None:
    expecting = head("POST /v1/tools/execute", "Content-Length: 9", "Expect: 100-continue")
    reader, writer = await say(served, expecting)
    assert await status(reader) == b"100"
    writer.transport.abort()
    other, its = await say(served, head("GET /v1/tools"))
    assert await status(other) == b"200"
    its.close()
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
