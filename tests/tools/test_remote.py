"""A tool server that answers with something else than it should."""

import asyncio
import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.errors import ToolFailed
from tools.remote import RemoteTools, ServerAccess


@pytest.mark.parametrize("said", ["[]", "{}", '{"data": [{}]}', '{"data": 1}', "no JSON"])
async def test_what_is_no_list_of_tools_is_a_failure_of_the_way(said: str) -> None:
    await failing("/v1/tools", said)


@pytest.mark.parametrize(
    "said",
    [
        "event: output\ndata: {}\n",
        "event: result\ndata: []\n",
        'event: result\ndata: {"output": ""}\n',
        "event: error\ndata: 1\n",
        "event: result\ndata: {\n",
        "",
    ],
)
async def test_what_is_no_result_is_a_failure_of_the_way(said: str) -> None:
    await failing("/v1/tools/execute", said)


async def failing(path: str, said: str) -> None:
    """A server that says this there."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=said, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", path, answer)
    async with TestServer(app) as server:

        async def find() -> ServerAccess:
            return ServerAccess(str(server.make_url("")))

        async with RemoteTools(find) as tools:
            with pytest.raises(ToolFailed):
                await (tools.descriptions() if path == "/v1/tools" else tools.execute("read", {}))


async def test_a_machine_that_says_nothing_is_told_in_words() -> None:
    heard: list[bytes] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def find() -> ServerAccess:
            return ServerAccess(url)

        async with RemoteTools(find, head_s=0.05) as tools, asyncio.timeout(20):
            with pytest.raises(ToolFailed, match="does not answer; is that machine on"):
                await tools.execute("read", {})
    assert heard


async def test_words_of_another_machine_reach_no_terminal_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    event = 'event: error\ndata: {"error": {"message": "\\u001b[2Jgone\\n- a", "code": "x"}}\n'

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=event, content_type="text/event-stream")

    app = web.Application()
    app.router.add_post("/v1/tools/execute", answer)
    async with TestServer(app) as server:

        async def find() -> ServerAccess:
            return ServerAccess(str(server.make_url("")))

        async with RemoteTools(find) as tools:
            with pytest.raises(ToolFailed) as raised:
                await tools.execute("\x1b]0;me\x07\nINFO forged", {})
    assert str(raised.value) == "\ufffd[2Jgone\n- a"
    assert "\x1b" not in caplog.text
    assert "\nINFO forged" not in caplog.text
