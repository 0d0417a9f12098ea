"""A tool server that answers with something else than it should."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tools.errors import ToolFailed
from tools.remote import Place, RemoteTools


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

        async def find() -> Place:
            return Place(str(server.make_url("")))

        async with RemoteTools(find) as tools:
            with pytest.raises(ToolFailed):
                await (tools.descriptions() if path == "/v1/tools" else tools.execute("read", {}))
