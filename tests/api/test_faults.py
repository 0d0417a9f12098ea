"""Clients that leave, stall or crowd in, and engines that die."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import openai
import pytest

from settings import KeySettings
from swarm.engines.base import Accepted, Event
from swarm.errors import ContextOverflow, GenerationFailed
from swarm.types import Prompt
from tests.api.conftest import Node, StartNode
from tests.fakes import FakeEngine
from tests.waiting import until

HELLO: list[Any] = [{"role": "user", "content": "hi"}]
ENDLESS = ["word "] * 100_000
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"


async def connect(node: Node, raw: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    writer.write(raw)
    return reader, writer


def request(node: Node, **fields: Any) -> bytes:
    body = json.dumps({"model": "swarm", "messages": HELLO, **fields}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{node.port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_ends_its_generation(
    start_node: StartNode, stream: bool
) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.001)) as node:
        _, writer = await connect(node, request(node, stream=stream))
        await until(lambda: node.engine.running == 1)
        writer.close()
        await until(lambda: node.engine.running == 0)
        assert node.engine.cancelled == 1
        assert node.pool.in_flight == 0


async def test_a_client_that_leaves_during_prefill_ends_it(start_node: StartNode) -> None:
    async with start_node(FakeEngine(prefill_s=30)) as node:
        _, writer = await connect(node, request(node, stream=True))
        await until(lambda: node.engine.running == 1)
        writer.close()
        await until(lambda: node.engine.running == 0)


async def test_a_failure_in_the_middle_is_an_error_event_and_no_clean_end(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(fail_after=2)) as node:
        reader, writer = await connect(node, request(node, stream=True))
        text = (await reader.read()).decode()
        writer.close()
    assert "Hello" in text
    assert '"code": "generation_failed"' in text
    assert 'finish_reason": "' not in text
    assert "[DONE]" not in text
    assert not text.endswith("0\r\n\r\n")


@pytest.mark.parametrize("model", ["swarm", "swarm-fast"])
@pytest.mark.parametrize("after", [0, 2], ids=["at once", "in the middle"])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_failure_is_one_line_of_the_log_and_counted_as_one(
    start_node: StartNode, caplog: pytest.LogCaptureFixture, stream: bool, after: int, model: str
) -> None:
    async with start_node(FakeEngine(fail_after=after)) as node:
        body = {"model": model, "messages": HELLO, "stream": stream}
        async with node.http.post("/v1/chat/completions", json=body) as answer:
            label = answer.headers["x-request-id"]
            with contextlib.suppress(aiohttp.ClientPayloadError):
                await answer.read()
        async with node.http.get("/metrics") as answer:
            text = await answer.text()
    assert 'swarm_requests_total{route="chat_completions",status="500"} 1.0' in text
    assert 'route="chat_completions",status="200"' not in text
    (line,) = [each.getMessage() for each in caplog.records if each.name == "api.context"]
    assert line.startswith(f"{label} failed (500): ")
    assert "the engine ended in the middle" in line


async def test_a_mistake_of_the_client_is_no_line_of_the_log(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"model": "nobody", "messages": HELLO}
    async with node.http.post("/v1/chat/completions", json=body) as answer:
        assert answer.status == 404
    assert not [each for each in caplog.records if each.name == "api.context"]


async def test_a_mistake_that_is_told_in_a_stream_is_a_line_of_the_log(
    start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    class RefusesLate(FakeEngine):
        async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
            yield [Accepted(len(prompt.text))]
            raise ContextOverflow(9, 8)

    async with start_node(RefusesLate()) as node:
        body = {"model": "swarm", "messages": HELLO, "stream": True}
        async with node.http.post("/v1/chat/completions", json=body) as answer:
            with contextlib.suppress(aiohttp.ClientPayloadError):
                await answer.read()
    (line,) = [each.getMessage() for each in caplog.records if each.name == "api.context"]
    assert "failed (400): request (9 tokens)" in line


async def test_the_sdk_raises_on_a_failure_in_the_middle(start_node: StartNode) -> None:
    async with start_node(FakeEngine(fail_after=2)) as node:
        stream = await node.sdk.chat.completions.create(model="swarm", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError, match="middle"):
            async for _ in stream:
                pass


async def test_a_bug_in_the_middle_is_no_clean_end(
    start_node: StartNode, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FakeEngine):
        async def generate(self, prompt: Any) -> Any:
            async for step in super().generate(prompt):
                yield step
            raise ZeroDivisionError

    async with start_node(Broken(words=["a"])) as node:
        reader, writer = await connect(node, request(node, stream=True))
        text = (await reader.read()).decode()
        writer.close()
    assert "[DONE]" not in text
    assert not text.endswith("0\r\n\r\n")
    assert "ZeroDivisionError" in caplog.text


async def test_an_engine_that_forgets_a_choice_is_a_failure(start_node: StartNode) -> None:
    class Forgetful(FakeEngine):
        async def generate(self, prompt: Any) -> Any:
            async for step in super().generate(prompt):
                yield step[:1]

    async with start_node(Forgetful()) as node:
        with pytest.raises(openai.InternalServerError):
            await node.sdk.chat.completions.create(model="swarm-fast", messages=HELLO, n=2)


async def test_more_requests_than_the_bound_are_told_when_to_come_back(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(step_s=0.05), max_requests=4) as node:

        async def ask() -> tuple[int, str | None]:
            body = {"model": "swarm", "messages": HELLO}
            async with node.http.post("/v1/chat/completions", json=body) as answer:
                return answer.status, answer.headers.get("Retry-After")

        answers = await asyncio.gather(*(ask() for _ in range(16)))
    assert [status for status, _ in answers].count(200) == 4
    assert [status for status, _ in answers].count(429) == 12
    assert all(1 <= int(after) <= 120 for status, after in answers if status == 429 and after)


async def test_a_body_that_cannot_be_unpacked_is_the_clients_mistake(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with node.http.post("/v1/chat/completions", data=b"no gzip", headers=headers) as answer:
        assert answer.status == 400
        assert "body" in (await answer.json())["error"]["message"]
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /health HTTP/1.1\r\nAuthorization: Bearer sk-secret\r\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nHost: sk-secret\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nsk-secret",
        b"\x16\x03\x01 sk-secret\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_answered_and_never_shown_in_the_log(
    node: Node, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    reader, writer = await connect(node, raw)
    async with asyncio.timeout(5):
        assert b" 400 " in await reader.readline()
    writer.close()
    assert "sk-secret" not in caplog.text
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"GARBAGE sk-secret\r\n\r\n", "cannot be read"),
        (b"GET /health HTTP/1.1\r\nX: " + b"sk-secret" * 1000 + b"\r\n\r\n", "8190 bytes"),
        (b"GET /health HTTP/1.1\r\nsk-secret\x01: x\r\n\r\n", "Invalid header token"),
    ],
)
async def test_what_is_no_http_is_refused_with_an_error_object_too(
    node: Node, raw: bytes, message: str
) -> None:
    reader, writer = await connect(node, raw)
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    assert " 400 " in head.splitlines()[0]
    assert "Content-Type: application/json" in head
    assert f"Content-Length: {len(body)}" in head
    error = json.loads(body)["error"]
    assert error["type"] == "invalid_request_error"
    assert message in error["message"]
    assert "sk-secret" not in error["message"]


async def test_what_is_refused_before_any_handler_has_an_id_too(node: Node) -> None:
    async with node.http.get("/health", headers={"Expect": "tea"}) as answer:
        assert (answer.status, answer.headers["x-request-id"][:4]) == (417, "req_")


async def test_the_engines_own_load_stands_in_the_metrics(node: Node) -> None:
    async with node.http.get("/metrics") as answer:
        text = await answer.text()
    assert 'swarm_engine_sequences{model="fake"} 0.0' in text


async def test_many_streams_at_once_are_all_served(start_node: StartNode) -> None:
    async with start_node(FakeEngine(step_s=0.01), max_requests=64) as node:

        async def ask() -> str:
            stream = await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        assert set(await asyncio.gather(*(ask() for _ in range(64)))) == {"Hello there."}


async def test_slow_headers_are_cut_and_do_not_hurt_others(start_node: StartNode) -> None:
    async with start_node(FakeEngine(), header_s=0.3) as node:
        half = b"POST /v1/chat/completions HTTP/1.1\r\nHost: local"
        slow = [await connect(node, half) for _ in range(100)]
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
        assert said.choices[0].message.content == "Hello there."
        for reader, writer in slow:
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()


async def test_idle_connections_keep_nobody_out_and_cut_no_stream(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.001), most=8) as node:
        streamed, stream = await connect(node, request(node, stream=True))
        await until(lambda: node.engine.running == 1)
        idle = [await connect(node, HEALTH % node.port) for _ in range(20)]
        async with asyncio.timeout(5):
            for reader, _ in idle[:12]:
                while await reader.read(1 << 16):
                    pass
            fast = await node.sdk.chat.completions.create(
                model="swarm", messages=HELLO, max_tokens=3
            )
        assert fast.choices[0].finish_reason == "length"
        assert (node.engine.running, streamed.at_eof()) == (1, False)
        for _, writer in (*idle, (streamed, stream)):
            writer.close()


async def test_where_all_connections_have_requests_one_more_is_cut(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.001), most=2) as node:
        streams = [await connect(node, request(node, stream=True)) for _ in range(2)]
        await until(lambda: node.engine.running == 2)
        reader, one_more = await connect(node, HEALTH % node.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        assert node.engine.running == 2
        for _, writer in (*streams, (reader, one_more)):
            writer.close()


async def test_who_shows_no_key_works_on_nothing(start_node: StartNode) -> None:
    keys = {"me": KeySettings.model_validate({"key": "a key of the tests"})}
    async with start_node(FakeEngine(), keys=keys, most=2) as node:
        strangers = [await connect(node, request(node)[:-5]) for _ in range(4)]
        headers = {"Authorization": "Bearer a key of the tests"}
        async with node.http.get("/v1/models", headers=headers) as answer:
            assert answer.status == 200
        for _, writer in strangers:
            writer.close()


async def test_a_connection_that_spoke_is_kept_open(start_node: StartNode) -> None:
    async with start_node(FakeEngine(), header_s=0.1) as node:
        for _ in range(2):
            async with node.http.get("/health") as answer:
                assert answer.status == 200
            await asyncio.sleep(0.2)


async def test_a_shutdown_lets_answers_finish_and_admits_no_more(start_node: StartNode) -> None:
    async with start_node(FakeEngine(step_s=0.1)) as node:
        asking = asyncio.create_task(
            node.sdk.chat.completions.create(model="swarm", messages=HELLO)
        )
        await until(lambda: node.engine.running == 1)
        draining = asyncio.create_task(node.pool.drain(5))
        await asyncio.sleep(0)
        with pytest.raises(openai.InternalServerError, match="shutting down"):
            await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
        assert (await asking).choices[0].message.content == "Hello there."
        await draining
        assert not node.engine.closed


async def test_what_does_not_finish_in_time_gets_an_error_event(start_node: StartNode) -> None:
    async with start_node(FakeEngine(words=ENDLESS, step_s=0.01)) as node:
        reader, writer = await connect(node, request(node, stream=True))
        await until(lambda: node.engine.running == 1)
        await node.pool.drain(0.05)
        await node.pool.aclose()
        async with asyncio.timeout(2):
            text = (await reader.read()).decode()
        writer.close()
    assert '"error"' in text
    assert "[DONE]" not in text


async def test_a_client_that_does_not_read_does_not_hold_the_others(
    start_node: StartNode,
) -> None:
    async with start_node(FakeEngine(words=["x" * 100_000] * 200)) as node:
        _, writer = await connect(node, request(node, stream=True))
        await until(lambda: node.engine.running == 1)
        node.engine.words = ["quick"]
        said = await node.sdk.chat.completions.create(model="swarm", messages=HELLO)
        assert said.choices[0].message.content == "quick"
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await until(lambda: node.engine.running == 0)


async def test_a_crash_before_the_first_event_is_a_status(start_node: StartNode) -> None:
    async with start_node(FakeEngine(error=GenerationFailed("killed"))) as node:
        with pytest.raises(openai.InternalServerError, match="killed"):
            await node.sdk.chat.completions.create(model="swarm", messages=HELLO, stream=True)
