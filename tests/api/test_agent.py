"""The node's own agent through the door: an engine by script, tools that are real or hang."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web

from api.agent import Agent, agent_with
from api.tool_door import Toolbox
from settings import KeySettings, Settings
from swarm.agent import Bounds
from swarm.types import Prompt, ToolCall
from tests.api.conftest import Node, StartNode
from tests.fakes import INFO, FakeEngine
from tests.swarm.engines.upstream import servers
from tools.errors import ToolFailed
from tools.executor import Emit, Executor, ToolDescription, silent
from tools.kept import KeptOutputs
from tools.registry import MOST_CALLS, Registry
from tools.threads import Threads
from tools.tool import Output
from tools.workspace import Workspace

ASK: Any = [{"role": "user", "content": "Write hello to a.txt"}]
WIDE = Bounds(steps=8, time_s=60, tokens=10_000)
SECRET = "a-secret-argument"

Begin = Callable[..., AbstractAsyncContextManager[Node]]


def call(name: str, **arguments: Any) -> str:
    return f"<tool_call>{json.dumps({'name': name, 'arguments': arguments})}</tool_call>"


WRITE = call("write", filePath="a.txt", content="hello")


def engine(*steps: str) -> FakeEngine:
    """Says each step after one more result of a tool, the last one again and again."""

    def answer(prompt: Prompt) -> Sequence[str]:
        results = str(prompt.text).count("<tool_response>")
        return [steps[min(results, len(steps) - 1)]]

    return FakeEngine(model_info=replace(INFO, context_tokens=100_000), answer=answer)


class Stuck:
    """Tools that say something and never end; none can be told once it is `gone`."""

    def __init__(self, *, gone: bool = False) -> None:
        self.began = asyncio.Event()
        self.cancelled: asyncio.Queue[str] = asyncio.Queue()
        self.gone = gone

    async def descriptions(self) -> Sequence[ToolDescription]:
        if self.gone:
            raise ToolFailed("the tool server http://192.0.2.1: no way there")
        schema = {"type": "object", "properties": {"a": {"type": "string"}}}
        return [ToolDescription("stuck", "Waits.", schema)]

    async def execute(
        self, name: str, arguments: Mapping[str, Any], *, session: str = "", emit: Emit = silent
    ) -> Output:
        emit("begun\n")
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled.put_nowait(name)
        return Output("never")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    (tmp_path / "work").mkdir()
    with (
        Workspace(tmp_path / "work") as workspace,
        KeptOutputs(tmp_path) as kept,
        Threads(MOST_CALLS) as threads,
    ):
        yield Registry(workspace, kept, threads)


def agent(tools: Executor, bounds: Bounds = WIDE) -> Agent:
    return Agent(tools, "this node", bounds)


async def chunks(node: Node, **fields: Any) -> list[Any]:
    asked: Any = {"model": "swarm", "messages": ASK, "stream": True, **fields}
    stream: AsyncIterator[Any] = await node.sdk.chat.completions.create(**asked)
    return [chunk async for chunk in stream]


def joined(told: Sequence[Any], name: str) -> str:
    deltas = [chunk.choices[0].delta for chunk in told if chunk.choices]
    return "".join(getattr(delta, name, None) or "" for delta in deltas)


async def test_the_node_runs_the_tools_until_the_answer(
    start_node: StartNode, registry: Registry, tmp_path: Path
) -> None:
    model = engine(WRITE, "Done.")
    async with start_node(model, agent=agent(registry), usual_workers=3) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=ASK)
    assert (tmp_path / "work/a.txt").read_text() == "hello"
    (choice,) = said.choices
    assert (choice.message.content, choice.finish_reason) == ("Done.", "stop")
    assert choice.message.tool_calls is None
    verdict = said.usage.swarm  # type: ignore[union-attr]
    assert [(step["calls"], step["generated_tokens"]) for step in verdict["steps"]] == [
        (["write"], 3),
        ([], 3),
    ]
    assert verdict["asked"] == 3, "each step is put to the vote"
    assert [prompt.n for prompt in model.prompts] == [3, 3]


@pytest.mark.parametrize("wish", ["swarm", "auto-fast"])
async def test_an_answer_ends_on_the_model_that_it_began_with(
    start_node: StartNode, registry: Registry, wish: str
) -> None:
    """Only that one is sure to stay loaded until then."""

    class Succeeding(Stuck):
        async def execute(self, *_: Any, **__: Any) -> Output:
            node.pool.lead_with("beside")
            return Output("done")

    first, second = engine(call("stuck"), "Done."), engine("I am another.")
    async with start_node(first, beside=second, agent=agent(Succeeding())) as node:
        said = await node.sdk.chat.completions.create(model=wish, messages=ASK)
        after = await node.sdk.chat.completions.create(model=wish, messages=ASK)
    assert (said.model, said.choices[0].message.content) == ("fake", "Done.")
    assert (after.model, after.choices[0].message.content) == ("beside", "I am another.")


async def test_usage_counts_the_tokens_of_all_steps(
    start_node: StartNode, registry: Registry
) -> None:
    model = engine(WRITE, "Done.")
    async with start_node(model, agent=agent(registry)) as node:
        said = await node.sdk.chat.completions.create(model="swarm-fast", messages=ASK)
    assert said.usage is not None
    assert said.usage.completion_tokens == 2
    assert said.usage.prompt_tokens == sum(len(prompt.text) for prompt in model.prompts)


@pytest.mark.parametrize("id", ["swarm", "swarm-fast"])
async def test_a_stream_tells_text_as_content_and_tools_as_reasoning(
    start_node: StartNode, registry: Registry, id: str
) -> None:
    model = engine(f"I write it. {WRITE}", "Done.")
    async with start_node(model, agent=agent(registry), usual_workers=3) as node:
        told = await chunks(node, model=id, stream_options={"include_usage": True})
    assert joined(told, "content") == "I write it.\n\nDone."
    lines = joined(told, "reasoning_content").splitlines()
    assert all(line.startswith("[swarm] ") for line in lines)
    assert '[swarm] write {"filePath": "a.txt", "content": "hello"}' in lines
    assert "[swarm] write ended" in lines
    assert not joined(told, "tool_calls")
    ends = [each for each in told if each.choices and each.choices[0].finish_reason]
    assert [each.choices[0].finish_reason for each in ends] == ["stop"]
    assert len(ends[0].swarm["steps"]) == 2
    assert told[-1].usage.completion_tokens == 2


async def test_progress_can_be_switched_off(start_node: StartNode, registry: Registry) -> None:
    async with start_node(engine(WRITE, "Done."), agent=agent(registry)) as node:
        told = await chunks(node, extra_body={"progress": False})
    assert joined(told, "reasoning_content") == ""
    assert joined(told, "content") == "Done."


async def test_a_bound_ends_the_answer_in_words(start_node: StartNode, registry: Registry) -> None:
    bounds = Bounds(steps=2, time_s=60, tokens=10_000)
    async with start_node(engine(WRITE), agent=agent(registry, bounds)) as node:
        said = await node.sdk.chat.completions.create(model="swarm", messages=ASK)
    assert said.choices[0].finish_reason == "length"
    assert "2 steps are the most" in (said.choices[0].message.content or "")


async def test_the_clients_deadline_holds_for_the_whole_answer(
    start_node: StartNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = Stuck()
    model = engine(f"I wait. {call('stuck')}")
    loop = asyncio.get_running_loop()
    async with start_node(model, agent=agent(tools)) as node, asyncio.timeout(100):
        asking = asyncio.ensure_future(
            node.sdk.chat.completions.create(
                model="swarm", messages=ASK, extra_body={"swarm": {"deadline_s": 30}}
            )
        )
        await tools.began.wait()
        monkeypatch.setattr(loop, "time", lambda: time.monotonic() + 30)
        said = await asking
    assert tools.cancelled.get_nowait() == "stuck"
    assert said.choices[0].finish_reason == "length"
    assert "worked for 30 s" in (said.choices[0].message.content or "")


async def test_failures_of_tools_are_told_to_the_model(
    start_node: StartNode, registry: Registry
) -> None:
    asks = [call("fly", to="x"), call("read", filePath="../secret"), call("write", content=1)]
    for ask, told in zip(asks, ["there is no tool 'fly'", "workspace", "filePath"], strict=True):
        model = engine(ask, "I could not.")
        async with start_node(model, agent=agent(registry)) as node:
            said = await node.sdk.chat.completions.create(model="swarm-fast", messages=ASK)
        assert said.choices[0].message.content == "I could not."
        assert told in str(model.prompts[-1].text).rpartition("Error: ")[2]


@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
async def test_a_servers_call_with_wrong_arguments_is_refused_by_its_tool(
    start_node: StartNode, registry: Registry, model: str
) -> None:
    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        results = [each["content"] for each in body["messages"] if each["role"] == "tool"]
        wrong = servers.called(0, '{"path": "a.txt"}', "read")
        said = servers.told(content=f"It said: {results[0]}") if results else wrong
        return await servers.streams(said, servers.told("stop"))(request, body)

    wide = {**servers.CARD, "max_model_len": 100_000}
    async with (
        servers.engine_at(servers.FakeServer(answer, card=wide)) as upstream,
        start_node(upstream, agent=agent(registry), usual_workers=3) as node,
    ):
        said = await node.sdk.chat.completions.create(model=model, messages=ASK)
    assert "It said: Error: read: filePath" in (said.choices[0].message.content or "")


async def test_a_call_whose_arguments_are_no_json_fails_as_a_call(registry: Registry) -> None:
    for arguments in ('{"a": ', "[1]"):
        result = await agent(registry).run(
            ToolCall("1", "read", arguments), lambda text: None, label="r"
        )
        assert result.failed
        assert "JSON" in result.text


async def test_a_node_that_ends_tells_so_to_a_stream_that_waits_for_a_tool(
    start_node: StartNode,
) -> None:
    tools = Stuck()
    said: list[bytes] = []

    async def listen(http: aiohttp.ClientSession, url: str) -> None:
        body = {"model": "swarm", "stream": True, "messages": ASK}
        async with http.post(url, json=body) as answer:
            with contextlib.suppress(aiohttp.ClientError):
                async for piece in answer.content.iter_any():
                    said.append(piece)  # noqa: PERF401 - what came before the end is kept

    async with (
        aiohttp.ClientSession() as http,
        asyncio.TaskGroup() as listening,
        start_node(engine(call("stuck", a="x")), agent=agent(tools)) as node,
    ):
        url = f"http://127.0.0.1:{node.port}/v1/chat/completions"
        listening.create_task(listen(http, url))
        await tools.began.wait()
    assert b'"message": "this node is shutting down"' in b"".join(said)
    assert b"[DONE]" not in b"".join(said)


async def test_who_leaves_ends_the_tool_and_the_request(start_node: StartNode) -> None:
    tools = Stuck()
    body = {"model": "swarm", "messages": ASK, "stream": True}
    async with (
        start_node(engine(call("stuck")), agent=agent(tools)) as node,
        asyncio.timeout(10),
    ):
        async with node.http.post("/v1/chat/completions", json=body) as answer:
            async for line in answer.content:
                if b"| begun" in line:
                    break
            answer.close()
        assert await tools.cancelled.get() == "stuck"
        tools.began.clear()
        asking = asyncio.ensure_future(
            node.sdk.chat.completions.create(model="swarm", messages=ASK)
        )
        await tools.began.wait()
        asking.cancel()
        assert await tools.cancelled.get() == "stuck"
        await asyncio.gather(asking, return_exceptions=True)


async def test_tools_that_cannot_be_reached_are_a_502(start_node: StartNode) -> None:
    async with start_node(engine("Hi"), agent=agent(Stuck(gone=True))) as node:
        with pytest.raises(openai.APIStatusError, match="no way there") as raised:
            await node.sdk.chat.completions.create(model="swarm", messages=ASK)
    assert (raised.value.status_code, raised.value.code) == (502, "tools_unavailable")


TOOL: Any = {"type": "function", "function": {"name": "mine", "parameters": {}}}
AGAIN: Any = [
    *ASK,
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "1", "type": "function", "function": {"name": "mine", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "1", "content": "made"},
]


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [TOOL]},
        {"messages": AGAIN},
        {"tool_choice": "none"},
        {"extra_body": {"swarm": {"agent": False}}},
        {"extra_headers": {"x-swarm-agent": "false"}},
    ],
)
async def test_clients_with_tools_are_left_alone(
    start_node: StartNode, registry: Registry, tmp_path: Path, fields: dict[str, Any]
) -> None:
    async with start_node(engine(WRITE), agent=agent(registry)) as node:
        await node.sdk.chat.completions.create(**{"model": "swarm", "messages": ASK, **fields})
    assert not (tmp_path / "work/a.txt").exists()
    assert "list" not in str(node.engine.prompts[0].text)


async def test_plain_completions_are_left_alone(start_node: StartNode, registry: Registry) -> None:
    async with start_node(engine(WRITE), agent=agent(registry)) as node:
        said = await node.sdk.completions.create(model="swarm", prompt="Write")
    assert said.choices[0].text == WRITE


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [TOOL], "extra_body": {"swarm": {"agent": True}}}, "swarm.agent"),
        ({"messages": AGAIN, "extra_body": {"swarm": {"agent": True}}}, "swarm.agent"),
    ],
)
async def test_what_an_agent_cannot_do_is_refused(
    start_node: StartNode, registry: Registry, fields: dict[str, Any], param: str
) -> None:
    async with start_node(engine("Hi"), agent=agent(registry)) as node:
        with pytest.raises(openai.BadRequestError) as raised:
            await node.sdk.chat.completions.create(**{"model": "swarm", "messages": ASK, **fields})
    assert raised.value.param == param


async def test_a_node_without_an_agent_says_so_to_those_who_ask_for_one(node: Node) -> None:
    with pytest.raises(openai.BadRequestError, match="--agent"):
        await node.sdk.chat.completions.create(
            model="swarm", messages=ASK, extra_body={"swarm": {"agent": True}}
        )


async def test_a_key_for_some_models_has_no_tools_run(
    start_node: StartNode, registry: Registry, tmp_path: Path
) -> None:
    keys = {"chat": KeySettings.model_validate({"key": "sk-chat-12345", "models": ["swarm"]})}
    async with start_node(engine(WRITE), agent=agent(registry), keys=keys) as node:
        client = node.sdk.with_options(api_key="sk-chat-12345")
        await client.chat.completions.create(model="swarm", messages=ASK)
        with pytest.raises(openai.BadRequestError, match="for models only"):
            await client.chat.completions.create(
                model="swarm", messages=ASK, extra_body={"swarm": {"agent": True}}
            )
    assert not (tmp_path / "work/a.txt").exists()


async def test_instructions_of_the_client_stand_in_the_place_of_ours(
    start_node: StartNode, registry: Registry
) -> None:
    async with start_node(engine("Hi"), agent=agent(registry)) as node:
        await node.sdk.chat.completions.create(model="swarm", messages=ASK)
        own: Any = [{"role": "system", "content": "Be a poet."}, *ASK]
        await node.sdk.chat.completions.create(model="swarm", messages=own)
    ours, theirs = (str(prompt.text) for prompt in node.engine.prompts)
    assert "You are an agent" in ours
    assert "You are an agent" not in theirs
    assert "Be a poet." in theirs


async def test_the_log_says_who_ran_what_and_not_with_what(
    start_node: StartNode, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model = engine(call("write", filePath="a.txt", content=SECRET), call("x\n" + SECRET), "Done.")
    async with start_node(model, agent=agent(registry)) as node:
        await node.sdk.chat.completions.create(model="swarm-fast", messages=ASK)
    assert ": write, run by this node: done after" in caplog.text
    assert ": a tool of no name, run by this node: UnknownTool after" in caplog.text
    assert "the agent has answered: steps 3, calls 2" in caplog.text
    assert SECRET not in caplog.text


def test_the_owner_says_whether_there_is_an_agent(registry: Registry) -> None:
    toolbox = Toolbox(registry, "this node", shared=False)
    made = agent_with(Settings(agent=True), toolbox)
    assert made is not None
    assert (made.place, made.bounds.steps) == ("this node", 32)
    assert agent_with(Settings(), toolbox) is None
