"""A command asks the node of this machine, and nobody in between."""

import asyncio

from api.own_node import Node as OwnNode
from api.own_node import call
from settings import Settings
from tests.api.conftest import Node


async def test_a_proxy_of_the_environment_does_not_see_the_key(
    node: Node, nobodys_proxy: None
) -> None:
    own = OwnNode(Settings.model_validate({"port": node.port}))
    told = await asyncio.to_thread(call, own, "diagnostics")
    assert told["models"][0]["model"] == "fake"
