"""Models, health and metrics."""

import logging

import openai
import pytest

from tests.api.conftest import Node

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]


async def test_every_id_is_listed_with_its_context(node: Node) -> None:
    models = [model async for model in node.sdk.models.list()]
    assert [model.id for model in models] == ["swarm", "swarm-fast", "fake", "fake-fast"]
    assert {model.owned_by for model in models} == {"local-swarm"}
    assert {model.to_dict()["context_length"] for model in models} == {4096}


@pytest.mark.parametrize("name", ["swarm", "auto", "auto-fast", "swarm-fast", "fake", "fake-fast"])
async def test_one_model_can_be_asked_for_and_used(node: Node, name: str) -> None:
    assert (await node.sdk.models.retrieve(name)).id == name
    said = await node.sdk.chat.completions.create(model=name, messages=HELLO)
    assert said.model == "fake"


async def test_an_unknown_model_is_not_there(node: Node) -> None:
    async with node.http.get("/v1/models/org/name:7b") as answer:
        assert answer.status == 404
        assert (await answer.json())["error"]["code"] == "model_not_found"


async def test_metrics_count_requests_and_tokens(node: Node) -> None:
    await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
    stream = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, stream=True)
    async for _ in stream:
        pass
    async with node.http.get("/nowhere") as answer:
        assert answer.status == 404
    async with node.http.get("/metrics") as answer:
        text = await answer.text()
    assert 'swarm_requests_total{route="chat_completions",status="200"} 2.0' in text
    assert 'swarm_requests_total{route="other",status="404"} 1.0' in text
    assert "swarm_generated_tokens_total 6.0" in text
    assert "swarm_requests_running 0.0" in text
    assert "swarm_requests_waiting 0.0" in text
    assert "swarm_time_to_first_token_seconds_count 2.0" in text
    assert 'swarm_request_duration_seconds_count{route="chat_completions"} 2.0' in text


async def test_speeds_stand_in_the_debug_log_only(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
    assert "generated 3 tokens" not in caplog.text
    assert caplog.text.count("one worker") == 1
    with caplog.at_level(logging.DEBUG, logger="api"):
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
    assert "generated 3 tokens, 150.0 tokens/s" in caplog.text
    assert said.choices[0].message.content == "Hello there."


async def test_every_answer_has_an_id_of_its_own(node: Node) -> None:
    ids: set[str] = set()
    for path in ("/health", "/health", "/nowhere"):
        async with node.http.get(path) as answer:
            ids.add(answer.headers["x-request-id"])
    assert len(ids) == 3
