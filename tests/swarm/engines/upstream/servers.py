"""Servers that say what a test has written down, on a loopback port."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web
from aiohttp.test_utils import TestServer

from swarm.engines.upstream.engine import UpstreamEngine

Answer: TypeAlias = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]

CARD = {"id": "org/model", "object": "model", "max_model_len": 1000}
PROPS = {"chat_template": "{{ messages }}", "total_slots": 4}
BOS = 1
"""What a fake's tokenizer begins with where its properties have a `bos_token`."""


@dataclass
class FakeServer:
    """`answer` serves both kinds of completions; `asked` are the bodies that came.

    `many`: it honours `n`, `refused_many` is its status for more than one. `lacking` is the status
    of what it does not have, `page` what it shows there in the place of JSON. `gone` is set when a
    client left in the middle of an answer.
    """

    answer: Answer
    props: dict[str, Any] | None = None
    card: dict[str, Any] = field(default_factory=lambda: dict(CARD))
    tokenizes: bool = False
    many: bool = False
    refused_many: int | None = None
    lacking: int = 404
    page: str | None = None
    loading: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def models(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        if self.loading:
            self.loading -= 1
            body = {"error": {"message": "Loading model"}}
            return web.json_response(body, status=503, headers={"Retry-After": "0"})
        return web.json_response({"data": [self.card]})

    def lacks(self) -> web.Response:
        if self.page is not None:
            return web.Response(status=self.lacking, text=self.page, content_type="text/html")
        return web.json_response({"detail": "not here"}, status=self.lacking)

    async def tell_props(self, _request: web.Request) -> web.Response:
        return web.json_response(self.props) if self.props else self.lacks()

    async def tokenize(self, request: web.Request) -> web.Response:
        if not self.tokenizes:
            return self.lacks()
        body = await request.json()
        begin = [BOS] * bool(self.props and self.props.get("bos_token") and body["add_special"])
        return web.json_response({"tokens": begin + [ord(c) for c in body["content"]]})

    async def complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if not body.get("stream"):
            if self.refused_many:
                return web.json_response({"error": "not two"}, status=self.refused_many)
            return web.json_response({"choices": [{}] * (body["n"] if self.many else 1)})
        self.asked.append({"path": request.path, **body})
        try:
            return await self.answer(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.gone.set()
            raise


@contextlib.asynccontextmanager
async def serving(fake: FakeServer) -> AsyncIterator[str]:
    """The address of the fake's API."""
    app = web.Application()
    app.router.add_get("/v1/models", fake.models)
    app.router.add_get("/props", fake.tell_props)
    app.router.add_post("/tokenize", fake.tokenize)
    app.router.add_post("/v1/completions", fake.complete)
    app.router.add_post("/v1/chat/completions", fake.complete)
    server = TestServer(app, handler_cancellation=True)
    await server.start_server()
    try:
        yield str(server.make_url("/v1"))
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def engine_at(fake: FakeServer, **options: Any) -> AsyncIterator[UpstreamEngine]:
    async with serving(fake) as url, UpstreamEngine(url, **options) as engine:
        yield engine


def streams(*chunks: dict[str, Any] | bytes, done: bool = True, hang: bool = False) -> Answer:
    """An answer of these chunks; bytes go out as they are. `hang`: it never ends by itself."""

    async def answer(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for chunk in chunks:
            line = chunk if isinstance(chunk, bytes) else b"data: " + json.dumps(chunk).encode()
            await response.write(line + (b"" if isinstance(chunk, bytes) else b"\n\n"))
        if hang:
            await asyncio.Event().wait()
        if done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return answer


def refuses(status: int, body: Any, **headers: str) -> Answer:
    async def answer(_request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers)

    return answer


def said(text: str, *, index: int = 0, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a completion."""
    return {"choices": [{"index": index, "text": text, "finish_reason": finish}], **more}


def told(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def called(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    """A chunk with a piece of a tool call."""
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return told(tool_calls=[{"index": index, "function": function}])


def usage(prompt: int, completion: int, cached: int = 0) -> dict[str, Any]:
    """The last chunk of a stream, which has no choices."""
    details = {"cached_tokens": cached}
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {"choices": [], "usage": counts | {"prompt_tokens_details": details}}


def texts_of(answers: Sequence[dict[str, Any]], name: str) -> list[Any]:
    return [answer.get(name) for answer in answers]
