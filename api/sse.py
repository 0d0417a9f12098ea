"""Server-sent events: an answer as it is generated, never buffered, never ended falsely.

Knows no OpenAI chunk; an encoder turns events into bytes.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Protocol, TypeVar

from aiohttp import web

from api.context import note_failure_within
from api.errors import error_object
from ending import ended
from swarm.errors import EngineNotReady, GenerationFailed, SwarmError

DONE = b"data: [DONE]\n\n"

_KEEP_ALIVE = b": keep-alive\n\n"
_STALL_SECONDS = 60.0
_FLUSH_SECONDS = 1.0
_LAST_WORDS_SECONDS = 0.5
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


StepT = TypeVar("StepT")
StepT_contra = TypeVar("StepT_contra", contravariant=True)


class Encoder(Protocol[StepT_contra]):
    """Turns an answer into the bytes of its stream."""

    def begin(self) -> bytes:
        """What a client sees at once, before the prompt is read."""
        ...

    def step(self, step: StepT_contra, /) -> bytes:
        """The chunks of one step of the answer, maybe none."""
        ...

    def end(self) -> bytes:
        """What follows the last step. Raises GenerationFailed if a choice has no finish."""
        ...


def data(text: str) -> bytes:
    """One event."""
    return f"data: {text}\n\n".encode()


async def stream_answer(
    request: web.Request,
    events: AsyncGenerator[StepT],
    encoder: Encoder[StepT],
    *,
    pulse_s: float,
) -> web.StreamResponse:
    """Stream an answer. An error before the first event is raised, for an HTTP status.

    A later one becomes an error event, and the connection is cut: a client that sees a
    clean end takes what it has for the whole answer. While nothing is generated, a comment
    goes out every `pulse_s` seconds.
    """
    async with aclosing(events):
        first = await anext(events, None)
        if first is None:
            raise GenerationFailed("the engine gave no answer")
        async with _opened(request, pulse_s) as sink:
            await sink.write(encoder.begin() + encoder.step(first))
            async for step in events:
                await sink.write(encoder.step(step))
            await sink.write(encoder.end())
            sink.whole = True
    return sink.response


async def stream_early(
    request: web.Request, answer: Callable[[], Awaitable[web.StreamResponse]], *, pulse_s: float
) -> web.StreamResponse:
    """Open the stream before `answer` does, which may take long to begin: comments go out.

    Then an error of any kind is an event of the stream, not a status.
    """
    async with _opened(request, pulse_s) as sink:
        await sink.write(_KEEP_ALIVE)
        await answer()
    return sink.response


@asynccontextmanager
async def _opened(request: web.Request, pulse_s: float) -> AsyncGenerator["_Sink"]:
    """The request's stream, opened by the first who needs it, and ended by the same."""
    if (already := request.get(_SINK)) is not None:
        yield already
        return
    response = web.StreamResponse(headers=_HEADERS)
    await response.prepare(request)
    sink = request[_SINK] = _Sink(request, response)
    request.app[STREAMS].add(sink)
    pulse = asyncio.create_task(_pulse(sink, pulse_s))
    try:
        yield sink
    except SwarmError as error:
        note_failure_within(request, error)
        await sink.write(data(json.dumps(error_object(error))))
    except asyncio.CancelledError:
        await _last_words(sink)
        raise
    finally:
        request.app[STREAMS].discard(sink)
        await ended(pulse)
        if not sink.whole:
            _cut(request)


async def end_streams(app: web.Application) -> None:
    """Tell all that are still open that this node leaves, and cut them."""
    await asyncio.gather(*map(_last_words, app[STREAMS]))


async def _last_words(sink: "_Sink") -> None:
    """It was not the client that left."""
    request = sink.request
    if request.transport is None or request.transport.is_closing():
        return
    leaving = EngineNotReady("this node is shutting down", retry_after_s=5)
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(_LAST_WORDS_SECONDS):
            await sink.write(data(json.dumps(error_object(leaving))))
    _cut(request)


class _Sink:
    """Writes to a client and gives up on one that does not read."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self.request = request
        self.response = response
        self.whole = False
        self.last_write = asyncio.get_running_loop().time()

    async def write(self, raw: bytes) -> None:
        if not raw:
            return
        self.last_write = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_STALL_SECONDS):
                await self.response.write(raw)
        except TimeoutError:
            raise ConnectionResetError("the client does not read its stream") from None


_SINK = web.RequestKey("sink", _Sink)
STREAMS = web.AppKey("streams", set[_Sink])
"""The streams that are open."""


async def _pulse(sink: _Sink, pulse_s: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(pulse_s)
        if loop.time() - sink.last_write >= pulse_s * 0.9:
            try:
                await sink.write(_KEEP_ALIVE)
            except ConnectionError:
                return


def _cut(request: web.Request) -> None:
    """Close the connection without the chunk that would end the body; what is written goes out."""
    transport = request.transport
    if transport is not None:
        transport.close()
        asyncio.get_running_loop().call_later(_FLUSH_SECONDS, transport.abort)
