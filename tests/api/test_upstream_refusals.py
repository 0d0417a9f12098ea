"""An upstream server behind the door: what it refuses is a status."""

import asyncio
import math
from typing import Any

import pytest

from swarm.engines.upstream import drawing
from tests.api.conftest import StartNode
from tests.swarm.engines.upstream.servers import FakeServer, engine_at, refuses, said, streams

HELLO: list[Any] = [{"role": "user", "content": "hi"}]
TOO_LONG = {
    "error": {
        "message": "This model's maximum context length is 1000 tokens. However, you requested "
        "1200 tokens in the messages. Please reduce the length of the messages.",
        "code": 400,
    }
}


@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_conversation_that_is_too_long_for_it_is_a_status(
    start_node: StartNode, stream: bool, model: str
) -> None:
    body = {"model": model, "messages": HELLO, "stream": stream}
    async with (
        engine_at(FakeServer(refuses(400, TOO_LONG))) as engine,
        start_node(engine, usual_workers=3) as node,
        node.http.post("/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "context_length_exceeded"


async def test_each_of_several_prompts_may_be_refused(start_node: StartNode) -> None:
    body = {"model": "fake", "prompt": ["a", "b"], "stream": True}
    async with (
        engine_at(FakeServer(refuses(400, TOO_LONG))) as engine,
        start_node(engine) as node,
        node.http.post("/v1/completions", json=body) as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["param"] == "prompt[0]"


async def test_several_prompts_are_asked_for_at_once(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "REFUSAL_S", math.inf)
    all_asked = asyncio.Barrier(2)
    whole = streams(said("a", finish="stop"))

    async def answer_all(request: Any, body: dict[str, Any]) -> Any:
        await all_asked.wait()
        return await whole(request, body)

    async with (
        asyncio.timeout(10),
        engine_at(FakeServer(answer_all)) as engine,
        start_node(engine) as node,
    ):
        answer = await node.sdk.completions.create(model="fake", prompt=["a", "b"])
    assert [choice.text for choice in answer.choices] == ["a", "a"]
