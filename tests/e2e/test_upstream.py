"""Nodes whose engine is another server: llama-server, and another node."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bench.servers import llama_server
from swarm.models.local import bundled_model
from tests.e2e.nodes import RunningNode, running_node

WHO = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture(scope="module")
def on_llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with (
        llama_server(
            bundled_model().path, "-np", "4", "--kv-unified", "--threads", "1", "-c", "4096"
        ) as server,
        running_node(tmp_path_factory.mktemp("a"), "--engine", f"{server.url}/v1") as node,
    ):
        yield node


@pytest.fixture(scope="module")
def on_a_node(nano: RunningNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    flags = ("--engine", nano.base_url, "--model", "swarm-nano-fast")
    with running_node(tmp_path_factory.mktemp("b"), *flags) as node:
        yield node


def answer(node: RunningNode, model: str, temperature: float) -> str:
    said = node.sdk().chat.completions.create(
        model=model,
        messages=WHO,  # pyright: ignore[reportArgumentType]
        temperature=temperature,
    )
    assert said.usage is not None
    assert said.usage.prompt_tokens > 4
    return said.choices[0].message.content or ""


@pytest.mark.needs("llama-server")
def test_llama_server_says_through_a_node_what_the_engine_here_says(
    on_llama_server: RunningNode, nano: RunningNode
) -> None:
    assert answer(on_llama_server, "upstream", 0) == answer(nano, "swarm-nano", 0)


@pytest.mark.needs("llama-server")
def test_voters_of_llama_server_vote(on_llama_server: RunningNode) -> None:
    assert "swarm-nano" in answer(on_llama_server, "swarm", 0.2)


READ: Any = {
    "type": "function",
    "function": {
        "name": "read",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string"}, "lines": {"type": "integer"}},
            "required": ["path", "lines"],
        },
    },
}


@pytest.mark.needs("llama-server")
def test_llama_server_holds_an_answer_to_a_schema_itself(on_llama_server: RunningNode) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]}
    form: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    said = on_llama_server.sdk().chat.completions.create(
        model="swarm-fast",
        messages=WHO,  # pyright: ignore[reportArgumentType]
        response_format=form,
        temperature=0,
    )
    assert json.loads(said.choices[0].message.content or "")["n"] == 7


@pytest.mark.needs("llama-server")
def test_a_call_that_should_have_come_and_did_not_is_named(on_llama_server: RunningNode) -> None:
    """llama-server makes nothing of `tool_choice` where it does not know the model's template."""
    said = on_llama_server.sdk().chat.completions.create(
        model="swarm-fast",
        messages=WHO,  # pyright: ignore[reportArgumentType]
        tools=[READ],
        tool_choice="required",
        temperature=0,
    )
    assert said.usage
    [worker] = said.usage.to_dict()["swarm"]["workers"]  # pyright: ignore
    called = bool(said.choices[0].message.tool_calls)
    assert called or worker["state"] != "valid", said


def test_a_server_that_keeps_its_template_gets_the_conversation(
    on_a_node: RunningNode, nano: RunningNode
) -> None:
    assert answer(on_a_node, "swarm-nano-fast", 0) == answer(nano, "swarm-nano", 0)
    assert "swarm-nano" in answer(on_a_node, "swarm", 0.2)


def test_a_stream_comes_through_as_it_is_generated(on_a_node: RunningNode) -> None:
    stream = on_a_node.sdk().chat.completions.create(
        model="swarm-nano-fast",
        messages=WHO,  # pyright: ignore[reportArgumentType]
        temperature=0,
        stream=True,
    )
    pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    assert len([piece for piece in pieces if piece]) > 3
