"""POST /v1/embeddings by OpenAI's own client, and what is refused."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import openai
import pytest

from swarm.engines.base import Embedding
from swarm.errors import InvalidRequest
from tests.api.conftest import Node, started
from tests.fakes import INFO, FakeEngine


@pytest.fixture
async def embedding_node() -> AsyncIterator[Node]:
    async with started(FakeEngine(model_info=replace(INFO, embedding_width=2))) as running:
        yield running


async def test_the_sdk_s_own_form_which_is_base64(embedding_node: Node) -> None:
    made = await embedding_node.sdk.embeddings.create(model="swarm", input=["one", "three"])
    assert [each.index for each in made.data] == [0, 1]
    assert made.data[0].embedding == pytest.approx([0.6, 0.8])
    assert (made.model, made.usage.prompt_tokens, made.usage.total_tokens) == ("fake", 8, 8)
    assert embedding_node.engine.embedded == ["one", "three"]
    async with embedding_node.http.get("/metrics") as answer:
        assert "swarm_prompt_tokens_total 8.0" in await answer.text()


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [("one", ["one"]), ([1, 2], [(1, 2)]), ([[1], [2, 3]], [(1,), (2, 3)])],
)
async def test_numbers_and_tokens(embedding_node: Node, wanted: Any, asked: list[Any]) -> None:
    made = await embedding_node.sdk.embeddings.create(
        model="fake", input=wanted, encoding_format="float", dimensions=2
    )
    assert [each.embedding for each in made.data] == [[0.6, 0.8]] * len(asked)
    assert embedding_node.engine.embedded == asked


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"model": "swarm"}, "input", "required"),
        ({"model": "swarm", "input": []}, "input", "not empty"),
        ({"model": "swarm", "input": "a", "dimensions": 3}, "dimensions", "have 2, not 3"),
        ({"model": "swarm", "input": "a", "encoding_format": "x"}, "encoding_format", "base64"),
    ],
)
async def test_what_is_wrong_is_named(
    embedding_node: Node, body: dict[str, object], param: str, said: str
) -> None:
    async with embedding_node.http.post("/v1/embeddings", json=body) as answer:
        error = (await answer.json())["error"]
    assert (answer.status, error["param"]) == (400, param)
    assert said in error["message"]


@pytest.mark.parametrize(
    ("wanted", "param"),
    [("a" * 5000, "input"), ([1] * 5000, "input"), (["a", "a" * 5000], "input[1]")],
)
async def test_a_text_too_long_is_named(embedding_node: Node, wanted: Any, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await embedding_node.sdk.embeddings.create(model="swarm", input=wanted)
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", param)


async def test_a_model_that_makes_none_says_so(node: Node) -> None:
    with pytest.raises(openai.BadRequestError, match="fake makes no embeddings"):
        await node.sdk.embeddings.create(model="swarm", input="a")
    with pytest.raises(openai.NotFoundError):
        await node.sdk.embeddings.create(model="nobody", input="a")


class StrictEngine(FakeEngine):
    """Refuses a text that is empty, as the engines do."""

    async def embed(self, text: str | tuple[int, ...]) -> Embedding:
        if not text:
            raise InvalidRequest("an input is empty", param="input")
        return await super().embed(text)


async def test_a_text_that_is_wrong_is_named() -> None:
    async with started(StrictEngine(model_info=replace(INFO, embedding_width=2))) as node:
        with pytest.raises(openai.BadRequestError) as caught:
            await node.sdk.embeddings.create(model="swarm", input=["a", ""])
    assert caught.value.param == "input[1]"
