"""The tool server, asked as its clients ask it: plain HTTP, a stream, the real client of MCP."""

import asyncio
import contextlib
import dataclasses
import io
import itertools
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import psutil
import pytest
import pytest_asyncio
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

from guard import Door
from tests.ports import free_port
from tools import connections
from tools.bounds import Bounds
from tools.bubblewrap import Bubblewrap
from tools.errors import InvalidArguments, OutsideWorkspace, ToolFailed, UnknownTool
from tools.kept import KeptOutputs
from tools.registry import MOST_CALLS, Registry
from tools.remote import Find, RemoteTools, ServerAccess
from tools.server import ToolServer, make_app
from tools.threads import Threads
from tools.workspace import Workspace

TOKEN = "a token of the tests"
NAMES = (
    *("bash", "edit", "glob", "grep", "list", "question", "read"),
    *("skill", "todoread", "todowrite", "webfetch", "write"),
)


@dataclasses.dataclass
class Served:
    """A tool server that runs, and an HTTP client without manners of its own."""

    port: int
    registry: Registry
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        told = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json", **headers}
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        async with self.session.post(f"{self.url}{path}", data=data, headers=told) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def call(self, name: str, **arguments: object) -> tuple[int, Any]:
        return await self.post("/v1/tools/execute", {"name": name, "arguments": arguments})


@pytest_asyncio.fixture
async def served(
    workspace: Workspace, kept: KeptOutputs, threads: Threads, bounds: Bounds
) -> AsyncIterator[Served]:
    sandbox = Bubblewrap("/usr/bin/bwrap", "/bin/bash", bounds)
    registry = Registry(workspace, kept, threads, sandbox=sandbox)
    port = free_port()
    app = make_app(registry, Door(port), token=TOKEN)
    async with ToolServer(app, hosts=["127.0.0.1"], port=port), aiohttp.ClientSession() as session:
        yield Served(port, registry, session)


pytestmark = pytest.mark.needs("bubblewrap")


async def test_the_tools_are_listed_with_their_schemas(served: Served) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with served.session.get(f"{served.url}/v1/tools", headers=headers) as answer:
        listed = (await answer.json())["data"]
    functions = {each["function"]["name"]: each["function"] for each in listed}
    assert tuple(sorted(functions)) == NAMES
    bash = functions["bash"]["parameters"]
    assert set(bash["properties"]) == {"command", "timeout", "workdir"}
    assert bash["required"] == ["command"]


async def test_who_only_begins_a_request_is_cut(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.3)
    opened = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(30)]
    for _, writer in opened:
        writer.write(b"GET /v1/tools HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    async with asyncio.timeout(10):
        for reader, writer in opened:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
    assert (await served.call("list"))[0] == 200


async def test_the_second_request_of_a_connection_must_come_whole_too(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = f"GET /v1/tools HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
    writer.write(f"{head}Authorization: Bearer {TOKEN}\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await asyncio.sleep(0.5)  # an idle connection is kept
    writer.write(head.encode())
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(1 << 16):
                pass
    writer.close()


async def test_a_tool_is_executed(served: Served, workspace: Workspace) -> None:
    status, made = await served.call("write", filePath="a.txt", content="hello")
    assert (status, made["name"], made["metadata"]["existed"]) == (200, "write", False)
    status, said = await served.call("bash", command="cat a.txt")
    assert (status, said["output"]) == (200, "hello")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "rm", "arguments": {}}, 404, "unknown_tool"),
        ({"name": "read", "arguments": {}}, 400, "invalid_arguments"),
        ({"name": "read", "arguments": {"filePath": "/etc/passwd"}}, 403, "outside_workspace"),
        ({"name": "read", "arguments": {"filePath": "missing"}}, 422, "tool_failed"),
        ({"name": "webfetch", "arguments": {"url": "http://a/"}}, 403, "not_permitted"),
        ({"arguments": {}}, 400, "invalid_request"),
        ({"name": "read", "arguments": []}, 400, "invalid_request"),
        ([], 400, "invalid_request"),
        (b"{", 400, "http_error"),
        (b"[" * 100_000, 400, "http_error"),
        (b"\xff", 400, "http_error"),
    ],
)
async def test_what_cannot_be_done_is_an_error_with_a_code(
    served: Served, body: object, status: int, code: str
) -> None:
    answered, told = await served.post("/v1/tools/execute", body)
    assert (answered, told["error"]["code"]) == (status, code)


async def test_other_paths_and_methods_are_named(served: Served) -> None:
    status, told = await served.post("/v1/tool", {})
    assert (status, "/v1/tools/execute" in told["error"]["message"]) == (404, True)
    assert (await served.post("/v1/tools", {}))[0] == 405


async def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    status, told = await served.post("/v1/tools/execute", b'"' + b"x" * (17 << 20) + b'"')
    assert (status, told["error"]["code"]) == (413, "http_error")


def events_of(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\ndata: ") for block in text.split("\n\n") if block]
    return [(name.removeprefix("event: "), json.loads(data)) for name, data in blocks]


async def test_a_long_command_streams_its_output(served: Served) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    command = "echo one; until [ -e go ]; do sleep 0.01; done; echo two"
    body = {"name": "bash", "arguments": {"command": command, "timeout": 60000}, "stream": True}
    url = f"{served.url}/v1/tools/execute"
    async with served.session.post(url, json=body, headers=headers) as answer:
        text = ""
        while "one" not in text:
            text += (await answer.content.readany()).decode()
        assert (await served.call("write", filePath="go", content=""))[0] == 200
        text += (await answer.content.read()).decode()
    names = [name for name, _ in events_of(text)]
    assert (names[0], names[-1]) == ("start", "result")
    assert events_of(text)[-1][1]["output"] == "one\ntwo"


def sleeping(mark: str) -> bool:
    processes = psutil.process_iter(["cmdline"])
    return any(mark in (process.info["cmdline"] or []) for process in processes)


def wait_until(mark: str, *, runs: bool, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while sleeping(mark) is not runs:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def long_command(id: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    mark = f"{2000 + time.monotonic_ns() % 10**9 / 10**9:.9f}"
    arguments = {"command": f"sleep {mark}", "timeout": 60000}
    return mark, {"name": "bash", "arguments": arguments, "id": id, "stream": stream}


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_is_cancelled_by_its_id(served: Served, stream: bool) -> None:
    mark, body = long_command("mine", stream=stream)
    running = asyncio.create_task(post_text(served, body))
    await asyncio.to_thread(wait_until, mark, runs=True)
    assert (await served.post("/v1/tools/execute", body))[0] == 400  # the id is in use
    assert (await served.post("/v1/tools/cancel", {"id": "mine"}))[0] == 200
    assert "cancelled" in await running
    await asyncio.to_thread(wait_until, mark, runs=False)
    assert (await served.post("/v1/tools/cancel", {"id": "mine"}))[0] == 404


async def post_text(served: Served, body: object) -> str:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{served.url}/v1/tools/execute"
    async with served.session.post(url, json=body, headers=headers) as answer:
        return await answer.text()


@pytest.mark.parametrize("stream", [True, False])
async def test_a_command_ends_when_its_client_leaves(served: Served, stream: bool) -> None:
    mark, body = long_command("left", stream=stream)
    running = asyncio.create_task(post_text(served, body))
    await asyncio.to_thread(wait_until, mark, runs=True)
    running.cancel()
    await asyncio.wait({running})
    await asyncio.to_thread(wait_until, mark, runs=False)
    again = {"name": "read", "arguments": {"filePath": "."}, "id": "left"}
    async with asyncio.timeout(20):  # the id is free a moment after the process has gone
        while (await served.post("/v1/tools/execute", again))[0] != 200:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.01)


async def test_names_that_are_no_text_are_told(served: Served, workspace: Workspace) -> None:
    (workspace.root / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    for name, arguments in (("list", {}), ("glob", {"pattern": "*"}), ("grep", {"pattern": "x"})):
        status, body = await served.call(name, **arguments)
        assert (status, "caf?.txt" in body["output"]) == (200, True)


async def test_half_a_character_in_the_arguments_is_refused(served: Served) -> None:
    status, body = await served.call("bash", command="echo \ud800")
    assert (status, body["error"]["code"]) == (400, "invalid_arguments")


async def test_only_so_many_calls_run_at_once(served: Served) -> None:
    command = "until [ -e go ]; do sleep 0.02; done"
    waiting = [
        asyncio.create_task(served.call("bash", command=command, timeout=60000))
        for _ in range(MOST_CALLS)
    ]
    status = 200
    while status == 200:
        status, told = await served.call("todoread")
    assert (status, told["error"]["code"]) == (429, "too_busy")
    (Path(served.registry._workspace.root) / "go").touch()
    assert [status for status, _ in await asyncio.gather(*waiting)] == [200] * MOST_CALLS


async def test_tasks_belong_to_their_conversation(served: Served) -> None:
    todo = {"content": "x", "status": "pending", "priority": "low"}
    body = {"name": "todowrite", "arguments": {"todos": [todo]}, "session": "a"}
    await served.post("/v1/tools/execute", body)
    for session, count in (("a", 1), ("b", 0)):
        body = {"name": "todoread", "session": session}
        told = (await served.post("/v1/tools/execute", body))[1]
        assert len(told["metadata"]["todos"]) == count


HOSTS = [
    *("evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost:80"),
    *("127.0.0.1.evil.example:{port}", "localhost.evil.example:{port}", "127.0.0.2:{port}"),
    *("0.0.0.0:{port}", "[::]:{port}", "::1:{port}", "127.1:{port}", "2130706433:{port}"),
    *("0x7f000001:{port}", "localhost.:{port}", "127.0.0.1.:{port}", "localhost:{port}.", ""),
    *("localhost:{port}@evil.example", "evil.example@localhost:{port}", "local host:{port}"),
    *("192.168.1.1:{port}", "LOCALHOST", "http://localhost:{port}", "localhost:{port}/", "*"),
    *("[::1]", "[::1]:1", "[::ffff:127.0.0.1]:{port}", "localhost:0{port}", "localhost:+{port}"),
]
ORIGINS = [
    *("http://evil.example", "http://evil.example:{port}", "https://localhost:{port}", "null"),
    *("http://localhost", "http://localhost:1", "http://localhost.evil.example:{port}", "file://"),
    *("http://127.0.0.1.evil.example:{port}", "http://localhost:{port}/", "http://0.0.0.0:{port}"),
    *("http://localhost:{port}@evil.example", "ws://localhost:{port}", "localhost:{port}", "*"),
    *("chrome-extension://abc", "http://evil.example, http://localhost:{port}", "data:"),
    *("http://localhost:{port} http://evil.example", "http://192.168.1.1:{port}", "HTTPS://x"),
]
TYPES = [
    *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""),
    *("text/plain; application/json", "application/jsonp", "application/json-patch+json"),
    *("text/json", "application/json, text/plain", "application", "*/*", "text/html"),
    *("application/x-json", "x application/json", '"application/json"'),
]
FORMS = [
    *(("Host", each) for each in HOSTS),
    *(("Origin", each) for each in ORIGINS),
    *(("Content-Type", each) for each in TYPES),
]


def test_there_are_at_least_sixty_forms() -> None:
    assert len(FORMS) >= 60


async def raw(port: int, path: str, headers: list[tuple[str, str]], body: bytes) -> int:
    """The status of a request whose headers are exactly these."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode() + body)
    await writer.drain()
    status = (await reader.readline()).split()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return int(status[1]) if status else 0


async def test_no_form_of_host_origin_or_type_gets_in(served: Served, outside: Path) -> None:
    """Every one, at both doors, with the right token: nothing is written."""
    write = {"name": "write", "arguments": {"filePath": "got-in", "content": "x"}}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": write}
    right = {
        "Host": f"127.0.0.1:{served.port}",
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    doors = (("/v1/tools/execute", write), ("/mcp", call))
    for (name, value), (path, body) in itertools.product(FORMS, doors):
        headers = [*(right | {name: value.format(port=served.port)}).items()]
        status = await raw(served.port, path, headers, json.dumps(body).encode())
        assert status in (400, 403, 415), (name, value, status)
    for twice in (("Host", "evil.example"), ("Origin", "null"), ("Content-Type", "text/plain")):
        own = [("Origin", f"http://localhost:{served.port}")] if twice[0] == "Origin" else []
        headers = [*right.items(), *own, twice]
        status = await raw(served.port, "/v1/tools/execute", headers, json.dumps(write).encode())
        assert status in (400, 403, 415), twice
    entries = await asyncio.to_thread(served.registry._workspace.entries, ".")
    assert "got-in" not in [entry.name for entry in entries]
    status = await raw(served.port, doors[0][0], [*right.items()], json.dumps(write).encode())
    assert status == 200  # the control


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ä"],
)
async def test_without_the_token_nothing_is_done(served: Served, header: str) -> None:
    for path in ("/v1/tools/execute", "/v1/tools/cancel", "/mcp"):
        status, told = await served.post(path, {"name": "todoread"}, Authorization=header)
        assert (status, told["error"]["code"]) == (401, "invalid_token")
    async with served.session.get(f"{served.url}/v1/tools") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_door_beyond_loopback_needs_a_token(
    workspace: Workspace, kept: KeptOutputs, threads: Threads
) -> None:
    registry = Registry(workspace, kept, threads)
    with pytest.raises(ValueError, match="token"):
        make_app(registry, Door(1, beyond=True), token=None)
    make_app(registry, Door(1), token=None)


async def test_a_port_that_is_taken_is_an_error(served: Served) -> None:
    app = make_app(served.registry, Door(served.port), token=None)
    with pytest.raises(OSError, match="in use"):
        async with ToolServer(app, hosts=["127.0.0.1"], port=served.port):
            pass


def at(url: str, *tokens: str) -> Find:
    """A server at this place, which tells these tokens in turn."""
    left = list(tokens)

    async def find() -> ServerAccess:
        return ServerAccess(url, left.pop(0) if left else None)

    return find


async def test_a_token_that_is_new_on_the_server_is_fetched(served: Served) -> None:
    async with RemoteTools(at(served.url, "old", TOKEN)) as tools:
        with pytest.raises(ToolFailed, match="Authorization"):
            await tools.descriptions()
        assert await tools.descriptions()


async def test_members_have_a_token_that_can_end(served: Served) -> None:
    members: list[str | None] = [None]
    app = make_app(served.registry, Door(0), token=TOKEN, other_token=lambda: members[0])
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:0") as http:

        async def status(token: str) -> int:
            told = {"Authorization": f"Bearer {token}"}
            return (await http.get("/v1/tools", headers=told)).status_code

        for now, expected in ((None, 401), ("now", 200), ("later", 401)):
            members[0] = now
            assert (await status("now"), await status(TOKEN), await status("")) == (
                *(expected, 200),
                401,
            )


async def test_another_node_uses_the_tools(served: Served) -> None:
    said: list[str] = []
    async with RemoteTools(at(served.url, TOKEN)) as tools:
        assert tuple(sorted(each.name for each in await tools.descriptions())) == NAMES
        command = {"command": "echo one; sleep 0.2; echo two"}
        output = await tools.execute("bash", command, emit=said.append)
        assert (output.text, "".join(said)) == ("one\ntwo", "one\ntwo\n")
        for name, arguments, error in (
            ("read", {"filePath": "../x"}, OutsideWorkspace),
            ("read", {}, InvalidArguments),
            ("rm", {}, ToolFailed),
        ):
            with pytest.raises(error):
                await tools.execute(name, arguments)


async def test_cancelling_another_nodes_call_ends_the_command(served: Served) -> None:
    mark, body = long_command("remote", stream=True)
    async with RemoteTools(at(served.url, TOKEN)) as tools:
        running = asyncio.create_task(tools.execute("bash", body["arguments"]))
        await asyncio.to_thread(wait_until, mark, runs=True)
        running.cancel()
        await asyncio.wait({running})
        await asyncio.to_thread(wait_until, mark, runs=False)


async def test_a_tool_server_that_is_not_there_is_told(served: Served) -> None:
    async with RemoteTools(at("http://127.0.0.1:9")) as tools:
        with pytest.raises(ToolFailed, match="the tool server"):
            await tools.execute("read", {"filePath": "x"})
        with pytest.raises(ToolFailed, match="the tool server"):
            await tools.descriptions()
    async with RemoteTools(at(served.url, "wrong")) as tools:
        with pytest.raises(ToolFailed, match="Authorization"):
            await tools.descriptions()


@contextlib.asynccontextmanager
async def mcp_client(served: Served, **options: Any) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{served.url}/mcp", http_client=http)
        async with Client(transport, **options) as client:
            yield client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_client_of_mcp_lists_and_calls(served: Served, mode: str) -> None:
    async with mcp_client(served, mode=mode) as client:
        listed = (await client.list_tools()).tools
        assert tuple(sorted(each.name for each in listed)) == NAMES
        await client.call_tool("write", {"filePath": "m.txt", "content": "by MCP"})
        told = await client.call_tool("bash", {"command": "cat m.txt"})
        assert (told.is_error, told.content[0].text) == (False, "by MCP")
        refused = await client.call_tool("read", {"filePath": "/etc/passwd"})
        assert refused.is_error
        assert "outside of the workspace" in refused.content[0].text


async def test_mcp_tells_output_as_progress(served: Served) -> None:
    said: list[str | None] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        said.append(message)

    async with mcp_client(served) as client:
        command = {"command": "echo one; sleep 0.3; echo two"}
        await client.call_tool("bash", command, progress_callback=progress)
    assert "".join(filter(None, said)) == "one\ntwo\n"


async def test_a_question_reaches_the_person_by_mcp(served: Served) -> None:
    async def answer(context: object, params: Any) -> ElicitResult:
        assert "Which?" in params.message
        return ElicitResult(action="accept", content={"answer": "the first"})

    questions = {"questions": [{"question": "Which?"}]}
    async with mcp_client(served, mode="legacy", elicitation_callback=answer) as client:
        told = await client.call_tool("question", questions)
        assert told.content[0].text == "The user answered: the first"
    async with mcp_client(served) as client:
        told = await client.call_tool("question", questions)
        assert "Nobody can be asked" in told.content[0].text


async def test_names_and_arguments_are_checked_first(served: Served) -> None:
    with pytest.raises(UnknownTool, match="there is read, write"):
        await served.registry.execute("nothing", {})
    with pytest.raises(InvalidArguments, match="read: filePath: Field required"):
        await served.registry.execute("read", {})


async def test_a_door_that_moves_keeps_its_connections_and_its_application(
    workspace: Workspace, kept: KeptOutputs, threads: Threads, bounds: Bounds
) -> None:
    sandbox = Bubblewrap("/usr/bin/bwrap", "/bin/bash", bounds)
    registry = Registry(workspace, kept, threads, sandbox=sandbox)
    port = free_port()
    app = make_app(registry, Door(port, any_address=True), token=TOKEN)
    headers = {"Authorization": f"Bearer {TOKEN}"}

    async def status(http: aiohttp.ClientSession, host: str) -> int:
        async with http.get(f"http://{host}:{port}/v1/tools", headers=headers) as answer:
            return answer.status

    hosts = ["127.0.0.1", "127.0.0.2"]
    async with ToolServer(app, hosts=hosts, port=port) as server, aiohttp.ClientSession() as before:
        assert await status(before, "127.0.0.2") == 200
        await server.listen(["127.0.0.1", "127.0.0.3"])
        assert await status(before, "127.0.0.2") == 200
        async with aiohttp.ClientSession() as after:
            assert await status(after, "127.0.0.1") == 200
            assert await status(after, "127.0.0.3") == 200
            with pytest.raises(aiohttp.ClientConnectionError):
                await status(after, "127.0.0.2")
        with socket.create_server(("127.0.0.4", port)), pytest.raises(OSError, match="in use"):
            await server.listen(["127.0.0.1", "127.0.0.5", "127.0.0.4"])
        async with aiohttp.ClientSession() as after:
            assert await status(after, "127.0.0.3") == 200
        socket.create_server(("127.0.0.5", port)).close()
