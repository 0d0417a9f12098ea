"""Keys at the door: who enters, with which models, how often; what was used."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from settings import KeySettings
from swarm.engines.base import Embedding
from swarm.errors import InvalidRequest
from tests.api.conftest import Node, StartNode
from tests.fakes import INFO, FakeEngine

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hi"}]
LAPTOP, PHONE = "sk-laptop-1234", "sk-phone-12345"
KEYS = {
    "laptop": KeySettings.model_validate({"key": LAPTOP}),
    "phone": KeySettings.model_validate(
        {
            "key": PHONE,
            "models": ["swarm-fast"],
            "requests_per_minute": 2,
            "tokens_per_minute": 10_000,
        }
    ),
}


@pytest.fixture
async def keyed(start_node: StartNode) -> AsyncIterator[Node]:
    async with start_node(FakeEngine(), keys=KEYS) as running:
        yield running


def shown(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def get(node: Node, path: str, key: str | None) -> tuple[int, Any]:
    async with node.http.get(path, headers=shown(key) if key else {}) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models",
        "/v1/models/swarm",
        "/v1/usage",
        "/metrics",
        "/v1/federation/diagnostics",
        "/v1/federation/peers",
        "/nowhere",
        "/v1//models//",
    ],
)
async def test_everything_but_health_asks_for_a_key(keyed: Node, path: str) -> None:
    assert (await get(keyed, path, None))[0] == 401
    assert (await get(keyed, path, "sk-wrong-12345"))[0] == 401
    assert (await get(keyed, path, LAPTOP))[0] in (200, 404)
    assert (await get(keyed, "/health", None))[0] == 200


async def test_a_wrong_key_gets_openais_error(keyed: Node) -> None:
    sdk = keyed.sdk.with_options(api_key="sk-wrong-12345")
    with pytest.raises(openai.AuthenticationError) as caught:
        await sdk.chat.completions.create(model="swarm", messages=HELLO)
    assert caught.value.code == "invalid_api_key"
    assert caught.value.type == "invalid_request_error"
    assert caught.value.response.headers["WWW-Authenticate"] == "Bearer"
    assert keyed.engine.prompts == []


@pytest.mark.parametrize("path", ["approve", "remove", "new-code", "leave"])
async def test_the_federation_is_not_commanded_without_a_key(keyed: Node, path: str) -> None:
    async with keyed.http.post(f"/v1/federation/{path}", json={}) as answer:
        assert answer.status == 401


async def test_without_keys_any_placeholder_is_accepted(node: Node) -> None:
    for key in (None, "none", "sk-anything"):
        assert (await get(node, "/v1/models", key))[0] == 200
    sdk = node.sdk.with_options(api_key="placeholder")
    assert (await sdk.chat.completions.create(model="swarm", messages=HELLO)).choices


async def test_a_key_sees_and_uses_its_own_models_only(keyed: Node) -> None:
    sdk = keyed.sdk.with_options(api_key=PHONE)
    assert [model.id async for model in sdk.models.list()] == ["swarm-fast"]
    assert (await sdk.chat.completions.create(model="swarm-fast", messages=HELLO)).choices
    for ask in (
        sdk.models.retrieve("swarm"),
        sdk.chat.completions.create(model="swarm", messages=HELLO),
    ):
        with pytest.raises(openai.NotFoundError, match="there is swarm-fast"):
            await ask
    with pytest.raises(openai.RateLimitError):  # a refused model counts as a request
        await sdk.completions.create(model="fake", prompt="hi")


async def test_loading_models_counts_as_a_request(keyed: Node) -> None:
    statuses: list[int] = []
    for _ in range(3):
        path = "/v1/models/swarm-fast/load"
        async with keyed.http.post(path, json={}, headers=shown(PHONE)) as answer:
            statuses.append(answer.status)
    assert 429 not in statuses[:2]
    assert statuses[2] == 429


async def test_a_limit_is_a_429_that_says_when_to_come_back(keyed: Node) -> None:
    sdk = keyed.sdk.with_options(api_key=PHONE)
    for _ in range(2):
        await sdk.chat.completions.create(model="swarm-fast", messages=HELLO)
    with pytest.raises(openai.RateLimitError) as caught:
        await sdk.chat.completions.create(model="swarm-fast", messages=HELLO)
    assert caught.value.type == "rate_limit_error"
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["Retry-After"]) <= 30
    other = keyed.sdk.with_options(api_key=LAPTOP)
    assert (await other.chat.completions.create(model="swarm", messages=HELLO)).choices


async def test_what_a_key_has_used_is_told_to_it_alone(keyed: Node) -> None:
    sdk = keyed.sdk.with_options(api_key=LAPTOP)
    said = await sdk.chat.completions.create(model="swarm-fast", messages=HELLO)
    async with keyed.http.get("/v1/usage", headers=shown(LAPTOP)) as answer:
        used = await answer.json()
    assert said.usage is not None
    assert used == {
        "object": "usage",
        "key": "laptop",
        "requests": 1,
        "refused_requests": 0,
        "prompt_tokens": said.usage.prompt_tokens,
        "completion_tokens": 3,
        "total_tokens": said.usage.prompt_tokens + 3,
        "limits": {},
        "models": None,
    }
    async with keyed.http.get("/v1/usage", headers=shown(PHONE)) as answer:
        assert (await answer.json())["total_tokens"] == 0


async def test_an_answer_that_the_client_breaks_off_is_counted(start_node: StartNode) -> None:
    engine = FakeEngine(words=["word "] * 1000, step_s=0.005)
    async with start_node(engine, keys=KEYS) as node:
        sdk = node.sdk.with_options(api_key=LAPTOP)
        stream = await sdk.chat.completions.create(model="swarm-fast", messages=HELLO, stream=True)
        async for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                break
        await stream.close()
        async with asyncio.timeout(10):
            while engine.running:  # noqa: ASYNC110 - the fake has no event for it
                await asyncio.sleep(0.01)
        async with node.http.get("/v1/usage", headers=shown(LAPTOP)) as answer:
            assert 1 <= (await answer.json())["completion_tokens"] < 1000


async def test_all_workers_of_a_vote_are_counted(start_node: StartNode) -> None:
    async with start_node(FakeEngine(), usual_workers=3) as node:
        await node.sdk.chat.completions.create(
            model="swarm", messages=HELLO, extra_body={"swarm": {"decide": "all"}}
        )
        async with node.http.get("/v1/usage") as answer:
            assert (await answer.json())["completion_tokens"] == 9


async def test_a_key_embeds_with_its_own_models_only(start_node: StartNode) -> None:
    engine = FakeEngine(model_info=replace(INFO, embedding_width=2))
    async with start_node(engine, keys=KEYS) as node:
        sdk = node.sdk.with_options(api_key=PHONE)
        with pytest.raises(openai.NotFoundError, match="there is swarm-fast"):
            await sdk.embeddings.create(model="fake", input="hi")
        assert engine.embedded == []
        assert (await sdk.embeddings.create(model="swarm-fast", input="hi")).data
        with pytest.raises(openai.RateLimitError):
            await sdk.embeddings.create(model="swarm-fast", input="hi")


@pytest.mark.parametrize("command", ["load", "unload"])
async def test_a_key_loads_and_unloads_its_own_models_only(keyed: Node, command: str) -> None:
    path = f"/v1/models/fake/{command}"
    async with keyed.http.post(path, json={}, headers=shown(PHONE)) as answer:
        assert answer.status == 404
        assert "there is swarm-fast" in (await answer.json())["error"]["message"]
    async with keyed.http.post(path, json={}, headers=shown(LAPTOP)) as answer:
        assert answer.status != 404


async def test_embeddings_are_counted_also_those_before_one_that_fails(
    start_node: StartNode,
) -> None:
    class Choosy(FakeEngine):
        async def embed(self, text: str | tuple[int, ...]) -> Embedding:
            if text == "wrong":
                raise InvalidRequest("not this one")
            return await super().embed(text)

    engine = Choosy(model_info=replace(INFO, embedding_width=2))
    async with start_node(engine, keys=KEYS) as node:
        sdk = node.sdk.with_options(api_key=LAPTOP)
        await sdk.embeddings.create(model="swarm", input=["one", "three"])
        with pytest.raises(openai.BadRequestError):
            await sdk.embeddings.create(model="swarm", input=["four", "wrong"])
        async with node.http.get("/v1/usage", headers=shown(LAPTOP)) as answer:
            used = await answer.json()
    assert (used["requests"], used["prompt_tokens"], used["completion_tokens"]) == (2, 12, 0)
