"""The end of the tool server: what runs is ended, who waits is answered, and nobody holds it up."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from psutil import pid_exists

from guard import Door
from tests.waiting import until
from tools import server
from tools.bounds import Bounds
from tools.errors import ToolFailed
from tools.kept import KeptOutputs
from tools.registry import Registry
from tools.sandbox import unconfined
from tools.server import ToolServer, make_app
from tools.threads import Threads
from tools.workspace import Workspace

STUBBORN = "trap '' TERM; echo $$; while :; do sleep 0.05; done"
MCP = {"Accept": "application/json, text/event-stream"}
CUT = "this machine's tools are being ended"


@pytest.fixture
def registry(workspace: Workspace, kept: KeptOutputs, threads: Threads, bounds: Bounds) -> Registry:
    return Registry(workspace, kept, threads, sandbox=unconfined(bounds))


@pytest.fixture
def tool_server(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> ToolServer:
    monkeypatch.setattr(server, "_END_S", 600)  # nothing here may need it
    return ToolServer(make_app(registry, Door(80), token=None), hosts=["127.0.0.1"], port=0)


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Host": "127.0.0.1"}) as session:
        yield session


@pytest.fixture(autouse=True)
def no_errors(caplog: pytest.LogCaptureFixture) -> Any:
    yield
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def call(**more: Any) -> dict[str, Any]:
    return {"name": "bash", "arguments": {"command": STUBBORN}, **more}


def asked(id: int, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


async def said(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """What the next event of a stream carries."""
    async for line in answer.content:
        if line.startswith(b"data: {"):
            return json.loads(line[6:])
    raise AssertionError("the stream has ended")


async def mcp_session(http: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """A session's headers."""
    client = {"name": "x", "version": "1"}
    hello = asked(1, "initialize", protocolVersion="2025-03-26", capabilities={}, clientInfo=client)
    async with http.post(url, json=hello, headers=MCP) as answer:
        assert answer.status == 200
        headers = {**MCP, "Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
    told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    async with http.post(url, json=told, headers=headers) as answer:
        assert answer.status == 202
    return headers


async def test_a_command_that_runs_ends_with_the_server_and_its_caller_is_told(
    tool_server: ToolServer, http: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(30):
        async with tool_server:
            url = f"http://127.0.0.1:{tool_server.port}/v1/tools/execute"
            streamed = await http.post(url, json=call(stream=True))
            assert "id" in await said(streamed)
            pid = int((await said(streamed))["text"])
            whole = asyncio.create_task(http.post(url, json=call(id="whole")))
            await until(lambda: len(tool_server._server.server_state.tasks) == 2)
        assert not pid_exists(pid)
        assert (await said(streamed))["error"]["message"] == CUT
        async with await whole as answer:
            assert answer.status == 422
            assert (await answer.json())["error"]["message"] == CUT
        streamed.close()


async def test_a_call_by_mcp_is_answered_and_a_stream_without_an_end_ends(
    tool_server: ToolServer, http: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(30):
        async with tool_server:
            url = f"http://127.0.0.1:{tool_server.port}/mcp"
            headers = await mcp_session(http, url)
            stream = await http.get(url, headers=headers)
            assert stream.status == 200
            token = {"progressToken": 1}
            tool_call = asked(2, "tools/call", **call(_meta=token))
            running = await http.post(url, json=tool_call, headers=headers)
            assert (await said(running))["method"] == "notifications/progress"
        answer = (await said(running))["result"]
        assert answer["isError"]
        assert answer["content"][0]["text"] == CUT
        assert b"data: {" not in await stream.read()
        running.close()
        stream.close()


async def test_a_registry_that_has_ended_begins_no_call(registry: Registry) -> None:
    running = asyncio.create_task(registry.execute("bash", {"command": STUBBORN}))
    await until(lambda: registry._running)
    await registry.aclose()
    with pytest.raises(ToolFailed, match=CUT):
        await running
    with pytest.raises(ToolFailed, match=CUT):
        await registry.execute("todoread", {})


async def test_who_leaves_a_call_leaves_nothing_of_it(registry: Registry) -> None:
    lines: asyncio.Queue[str] = asyncio.Queue()
    work = registry.execute("bash", {"command": STUBBORN}, emit=lines.put_nowait)
    running = asyncio.create_task(work)
    pid = int(await lines.get())
    running.cancel()
    for _ in range(5):  # MCP's package cancels until what it cancels has ended
        await asyncio.sleep(0)
        running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not pid_exists(pid)
