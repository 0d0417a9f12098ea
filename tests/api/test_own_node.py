"""A command asks the node of this machine, and nobody in between."""

import asyncio
import errno
import os
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from api.listening import listening
from api.own_node import Node as OwnNode
from api.own_node import call
from guard import LOOPBACK_NAMES
from settings import Settings
from swarm.errors import SwarmError
from tests.api.conftest import NO_NODE, Node, StartNode, nobodys_door
from tests.fakes import FakeEngine


async def asked(node: Node, **settings: str) -> None:
    own = OwnNode(Settings.model_validate({"port": node.port, **settings}))
    told = await asyncio.to_thread(call, own, "diagnostics")
    assert told["models"][0]["model"] == "fake"


async def test_a_proxy_of_the_environment_does_not_see_the_key(
    node: Node, nobodys_proxy: None
) -> None:
    await asked(node)


async def test_a_node_on_another_loopback_address_is_found_there(start_node: StartNode) -> None:
    async with start_node(FakeEngine(), hosts=("::1",)) as node:
        await asked(node, host="::1")


@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::"])
async def test_a_node_that_listens_beyond_is_asked_on_loopback(node: Node, host: str) -> None:
    await asked(node, host=host)


async def test_every_address_is_one_of_either_kind(start_node: StartNode) -> None:
    names = (*LOOPBACK_NAMES, "127.0.0.2")
    async with start_node(FakeEngine(), hosts=listening("::").hosts, names=names) as node:
        for host in ("127.0.0.1", "127.0.0.2", "::1"):
            await asked(node, host=host)


async def test_a_key_is_not_sent_on_to_another_address() -> None:
    asked_for: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked_for.append(request.path)
        raise web.HTTPFound("/elsewhere")

    app = web.Application()
    app.router.add_get("/{any:.*}", elsewhere)
    async with TestServer(app) as server:
        own = OwnNode(Settings.model_validate({"port": server.port}))
        with pytest.raises(SwarmError, match="302"):
            await asyncio.to_thread(call, own, "diagnostics")
    assert asked_for == ["/v1/federation/diagnostics"]


@pytest.mark.parametrize("answer", NO_NODE)
async def test_what_is_no_node_is_called_so(answer: bytes) -> None:
    async with nobodys_door(answer) as port:
        own = OwnNode(Settings.model_validate({"port": port}))
        with pytest.raises(
            SwarmError, match=f"answers at http://127.0.0.1:{port}/v1 is no node of"
        ):
            await asyncio.to_thread(call, own, "diagnostics")


@pytest.mark.parametrize(("host", "asked"), [("127.0.0.1", "127.0.0.1"), ("::1", r"\[::1\]")])
async def test_where_no_node_answers_the_address_that_was_asked_is_told(
    host: str, asked: str
) -> None:
    own = OwnNode(Settings.model_validate({"host": host, "port": 9}))
    why = re.escape(os.strerror(errno.ECONNREFUSED))
    told = rf"answers at http://{asked}:9/v1 \({why}\); .* with --host ADDRESS and --port N"
    with pytest.raises(SwarmError, match=told):
        await asyncio.to_thread(call, own, "diagnostics")
