"""Tools at the client door, run by whatever runs them for this node."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import ClientError, web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from api.context import CALLER
from api.keyring import ANYONE, Caller
from api.limits import Meter
from api.listening import listening
from api.tool_routes import add_tool_routes
from settings import KeySettings
from tests.api.conftest import Node, StartNode
from tests.fakes import FakeEngine
from tools.errors import TooBusy, UnknownTool
from tools.executor import Emit, ToolDescription, silent
from tools.tool import Output

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}}


@dataclass
class Echo:
    """One tool, `echo`, that waits while it is told to."""

    hold: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: int = 0

    async def descriptions(self) -> Sequence[ToolDescription]:
        return [ToolDescription("echo", "says it again", SCHEMA)]

    async def execute(
        self, name: str, arguments: Mapping[str, Any], *, session: str = "", emit: Emit = silent
    ) -> Output:
        if name == "busy":
            raise TooBusy("later")
        if name != "echo":
            raise UnknownTool(name, ("echo",))
        emit(f"{arguments['text']} ")
        self.begun.set()
        try:
            if self.hold is not None:
                await self.hold.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Output(f"{arguments['text']} for {session}", {"length": 2})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def served(start_node: StartNode, echo: Echo) -> AsyncIterator[Node]:
    async with start_node(FakeEngine(), tools=echo) as running:
        yield running


def call(**more: object) -> dict[str, Any]:
    return {"name": "echo", "arguments": {"text": "hi"}, "session": "me", **more}


async def post(node: Node, path: str, body: object, key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with node.http.post(f"/v1/tools/{path}", json=body, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_tools_are_listed_as_a_chat_takes_them(served: Node) -> None:
    async with served.http.get("/v1/tools") as answer:
        [tool] = (await answer.json())["data"]
    assert tool["type"] == "function"
    assert tool["function"] == {
        "name": "echo",
        "description": "says it again",
        "parameters": SCHEMA,
    }


async def test_a_tool_is_executed(served: Node) -> None:
    status, told = await post(served, "execute", call(id="x"))
    assert status == 200
    assert told == {"id": "x", "name": "echo", "output": "hi for me", "metadata": {"length": 2}}


@pytest.mark.parametrize(
    ("path", "right"),
    [
        ("/tools", "use /v1/tools .the base"),
        ("/tools/execute", "use /v1/tools/execute"),
        ("/v1/tools/run", "this server has .*, /v1/tools/execute"),
    ],
)
async def test_a_wrong_path_is_told_where_the_tools_are(
    served: Node, path: str, right: str
) -> None:
    async with served.http.post(path, json={}) as answer:
        assert answer.status == 404
        assert re.search(right, (await answer.json())["error"]["message"])


async def test_a_node_without_tools_says_how_it_gets_some(node: Node) -> None:
    async with node.http.post("/tools", json={}) as answer:
        assert "--tool-server" in (await answer.json())["error"]["message"]


async def test_output_streams(served: Node) -> None:
    async with served.http.post("/v1/tools/execute", json=call(stream=True)) as answer:
        text = await answer.text()
    assert [line for line in text.splitlines() if line.startswith("event: ")] == [
        "event: start",
        "event: output",
        "event: result",
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "rm"}, 404, "unknown_tool"),
        ({"name": "busy"}, 429, "too_busy"),
        ({"arguments": {}}, 400, None),
        ([], 400, None),
    ],
)
async def test_what_cannot_be_done_is_an_error(
    served: Node, body: object, status: int, code: str | None
) -> None:
    answered, told = await post(served, "execute", body)
    assert (answered, told["error"]["code"]) == (status, code)


async def test_a_call_is_cancelled_by_its_id(served: Node, echo: Echo) -> None:
    echo.hold = asyncio.Event()
    running = asyncio.create_task(post(served, "execute", call(id="mine")))
    await echo.begun.wait()
    assert await post(served, "cancel", {"id": "mine"}) == (200, {"id": "mine", "cancelled": True})
    assert (await running)[1]["error"]["message"] == "the call was cancelled"
    assert (await post(served, "cancel", {"id": "mine"}))[0] == 404


@pytest.mark.parametrize("stream", [True, False])
async def test_a_call_ends_with_its_client(served: Node, echo: Echo, stream: bool) -> None:
    echo.hold = asyncio.Event()
    running = asyncio.create_task(post(served, "execute", call(stream=stream)))
    await echo.begun.wait()
    running.cancel()
    await asyncio.wait({running})
    async with asyncio.timeout(5):
        while not echo.cancelled:  # noqa: ASYNC110 - the door has no event for it
            await asyncio.sleep(0.01)


async def test_a_call_ends_where_its_stream_cannot_begin(echo: Echo) -> None:
    @web.middleware
    async def with_caller(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CALLER] = Caller(ANYONE, None, Meter(), time.monotonic)
        return await handler(request)

    async def gone(_: web.Request, response: web.StreamResponse) -> None:
        if response.content_type == "text/event-stream":
            raise ConnectionResetError("the client has left")

    echo.hold = asyncio.Event()
    app = web.Application(middlewares=[with_caller])
    app.on_response_prepare.append(gone)
    add_tool_routes(app, echo, beyond=False)
    async with TestClient(TestServer(app)) as client:
        with pytest.raises(ClientError):
            await client.post("/v1/tools/execute", json=call(id="mine", stream=True))
        async with client.post("/v1/tools/cancel", json={"id": "mine"}) as answer:
            assert answer.status == 404


KEYS = {
    "all": KeySettings.model_validate({"key": "sk-all-12345"}),
    "chat": KeySettings.model_validate({"key": "sk-chat-12345", "models": ["swarm"]}),
}


async def test_a_key_for_some_models_runs_no_tools(start_node: StartNode, echo: Echo) -> None:
    async with start_node(FakeEngine(), tools=echo, keys=KEYS) as node:
        assert (await post(node, "execute", call()))[0] == 401
        assert (await post(node, "execute", call(), "sk-chat-12345"))[0] == 403
        assert (await post(node, "execute", call(), "sk-all-12345"))[0] == 200


async def test_a_node_that_is_open_to_all_runs_no_tools(start_node: StartNode, echo: Echo) -> None:
    async with start_node(FakeEngine(), tools=echo, beyond=True) as node:
        for path in ("execute", "cancel"):
            status, told = await post(node, path, call(id="x"))
            assert (status, told["error"]["code"]) == (403, "tools_not_allowed")
        async with node.http.get("/v1/tools") as answer:
            assert answer.status == 403


async def test_another_loopback_address_is_open_to_this_machine_alone(
    start_node: StartNode, echo: Echo
) -> None:
    names = listening("127.0.0.2").names
    async with start_node(FakeEngine(), tools=echo, names=names) as node:
        assert (await post(node, "execute", call()))[0] == 200


async def test_a_key_that_is_called_anyone_is_a_key(start_node: StartNode, echo: Echo) -> None:
    keys = {"anyone": KEYS["all"]}
    async with start_node(FakeEngine(), tools=echo, keys=keys, beyond=True) as node:
        assert (await post(node, "execute", call(), "sk-all-12345"))[0] == 200


async def test_without_tools_the_flags_are_named(start_node: StartNode) -> None:
    async with start_node(FakeEngine()) as node, node.http.get("/v1/tools") as answer:
        assert answer.status == 404
        assert "--tool-host" in (await answer.json())["error"]["message"]
