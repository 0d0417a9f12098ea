"""POST /v1/completions: prompts in, their continuations out, whole or streamed."""

import asyncio
import codecs
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from aiohttp import web

from api.context import CALLER, POOL, PULSE_S, watched
from api.errors import json_response, naming
from api.openai.body import body_of
from api.openai.reply import (
    Counts,
    Envelope,
    all_needed,
    envelope,
    finite,
    gather,
    must_be_finished,
)
from api.openai.schema import CompletionBody
from api.openai.translate import CompletionAsk, completion_ask
from api.openai.waiting import when_loaded
from api.sse import DONE, data, stream_answer
from ending import ended
from swarm.engines.base import Delta, Event, Finished
from swarm.estimate import may_fill
from swarm.types import FinishReason, Prompt, TokenLogprob

_NOTHING: list[Event] = []
_UTF8 = codecs.getincrementaldecoder("utf-8")


async def completions(request: web.Request) -> web.StreamResponse:
    """Answer a completion request."""
    pool = request.app[POOL]
    body = await body_of(request, CompletionBody, context_tokens=pool.context_tokens)
    ask = completion_ask(body)
    request[CALLER].must_be_allowed(ask.model)
    return await when_loaded(
        request,
        ask.model,
        lambda: _answer(request, ask),
        stream=ask.stream,
        may_fill=partial(_may_fill, ask),
    )


def _may_fill(ask: CompletionAsk, context_tokens: int) -> bool:
    """Whether one of the prompts may be too long for such a context."""
    return any(
        may_fill(prompt, context_tokens)
        if isinstance(prompt, str)
        else len(prompt) >= context_tokens
        for prompt in ask.prompts
    )


async def _answer(request: web.Request, ask: CompletionAsk) -> web.StreamResponse:
    pool = request.app[POOL]
    model = pool.resolve(ask.model)
    head = envelope("cmpl", model.id, model.engine.info)
    prompts = [Prompt(text, ask.sampling, ask.n) for text in ask.prompts]
    generations = [
        _named(all_needed(pool.generate(model, prompt)), path)
        for prompt, path in zip(prompts, ask.paths, strict=True)
    ]
    events = watched(request, merged(generations, ask.n))
    with_logprobs = ask.sampling.top_logprobs is not None
    choices = [_Choice(with_logprobs=with_logprobs) for _ in range(len(prompts) * ask.n)]
    if ask.stream:
        encoder = CompletionStream(head, choices, include_usage=ask.include_usage)
        return await stream_answer(request, events, encoder, pulse_s=request.app[PULSE_S])
    return json_response(await gather(events, CompletionWhole(head, choices)))


async def _named(stream: AsyncGenerator[list[Event]], path: str) -> AsyncGenerator[list[Event]]:
    """The same events; a refusal names the prompt's place in the request."""
    with naming(path):
        async with aclosing(stream) as steps:
            async for step in steps:
                yield step


def merged(streams: Sequence[AsyncGenerator[list[Event]]], n: int) -> AsyncGenerator[list[Event]]:
    """Generations of `n` sequences each as one; sequence i of stream s becomes choice s*n + i."""
    return streams[0] if len(streams) == 1 else _merge(streams, n)


async def _merge(
    streams: Sequence[AsyncGenerator[list[Event]]], n: int
) -> AsyncGenerator[list[Event]]:
    queue: asyncio.Queue[list[Event] | asyncio.Task[None]] = asyncio.Queue()

    async def pump(stream: AsyncGenerator[list[Event]], first: int) -> None:
        async for step in stream:
            queue.put_nowait([_shifted(event, first) for event in step])

    async def begin(stream: AsyncGenerator[list[Event]]) -> list[Event]:
        return await anext(stream, _NOTHING)

    tasks: list[asyncio.Task[None]] = []
    begun = [asyncio.create_task(begin(stream)) for stream in streams]
    try:
        # Every prompt is accepted before anything goes out: a refusal can still be a status.
        accepted = [await first for first in begun]
        for at, (stream, step) in enumerate(zip(streams, accepted, strict=True)):
            queue.put_nowait([_shifted(event, at * n) for event in step])
            tasks.append(asyncio.create_task(pump(stream, at * n)))
            tasks[-1].add_done_callback(queue.put_nowait)
        running = len(tasks)
        while running:
            item = await queue.get()
            if isinstance(item, asyncio.Task):
                item.result()
                running -= 1
            else:
                yield item
    finally:
        await ended(*begun, *tasks)
        for stream in streams:
            await stream.aclose()


def _shifted(event: Event, first: int) -> Event:
    if isinstance(event, Delta | Finished):
        return replace(event, index=event.index + first)
    return event


@dataclass(slots=True)
class _Choice:
    with_logprobs: bool
    text: list[str] = field(default_factory=list[str])
    characters: int = 0
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: _UTF8("replace"))
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    reason: FinishReason | None = None

    def take_logprobs(self) -> dict[str, Any] | None:
        """The logprobs that wait, in the old form; offsets count characters of the choice.

        A token that begins amid a character stands where that character does.
        """
        if not self.with_logprobs:
            return None
        taken, self.logprobs = self.logprobs, []
        offsets: list[int] = []
        for token in taken:
            offsets.append(self.characters)
            self.characters += len(self.decoder.decode(token.utf8))
        return {
            "tokens": [_written(token) for token in taken],
            "token_logprobs": [finite(token.logprob) for token in taken],
            "top_logprobs": [_likeliest(token.top) for token in taken],
            "text_offset": offsets,
        }


def _written(token: TokenLogprob) -> str:
    """A token as the old form has it: what isn't text by itself by its bytes, so that it differs
    from others.
    """
    try:
        token.utf8.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token.utf8)
    return token.token


def _likeliest(top: Sequence[TokenLogprob]) -> dict[str, float]:
    """The rivals by their text, best first; of those that are written alike the best."""
    told: dict[str, float] = {}
    for rival in top:
        told.setdefault(_written(rival), finite(rival.logprob))
    return told


class CompletionWhole:
    """Gathers a completion that is not streamed."""

    def __init__(self, head: Envelope, choices: list[_Choice]) -> None:
        self._head = head
        self._choices = choices
        self._counts = Counts()

    def add(self, events: list[Event]) -> None:
        """Take one step's events."""
        for event in events:
            self._counts.add(event)
            if isinstance(event, Delta):
                self._choices[event.index].text.append(event.text)
                self._choices[event.index].logprobs += event.logprobs
            elif isinstance(event, Finished):
                self._choices[event.index].reason = event.reason

    def body(self) -> dict[str, Any]:
        """The text_completion object."""
        must_be_finished(choice.reason for choice in self._choices)
        choices = [
            {
                "text": "".join(choice.text),
                "index": index,
                "logprobs": choice.take_logprobs(),
                "finish_reason": choice.reason,
            }
            for index, choice in enumerate(self._choices)
        ]
        usage = self._counts.usage()
        return {**self._head.fields("text_completion"), "choices": choices, "usage": usage}


class CompletionStream:
    """Encodes a completion as chunks."""

    def __init__(self, head: Envelope, choices: list[_Choice], *, include_usage: bool) -> None:
        self._head = head
        self._choices = choices
        self._counts = Counts()
        self._include_usage = include_usage
        self._before, self._behind = head.frame("text_completion", include_usage=include_usage)

    def begin(self) -> bytes:
        """Nothing can be said yet: a comment shows that the prompt was accepted."""
        return b": accepted\n\n"

    def step(self, events: list[Event]) -> bytes:
        """The chunks of one engine step."""
        chunks: list[str] = []
        for event in events:
            self._counts.add(event)
            if isinstance(event, Delta):
                self._choices[event.index].logprobs += event.logprobs
                if event.text or event.logprobs:
                    chunks.append(self._chunk(event.index, event.text))
            elif isinstance(event, Finished):
                self._choices[event.index].reason = event.reason
                chunks.append(self._chunk(event.index, ""))
        return "".join(chunks).encode()

    def end(self) -> bytes:
        """The usage, if asked for, and the end mark."""
        must_be_finished(choice.reason for choice in self._choices)
        if not self._include_usage:
            return DONE
        fields = self._head.fields("text_completion")
        return data(json.dumps({**fields, "choices": [], "usage": self._counts.usage()})) + DONE

    def _chunk(self, index: int, text: str) -> str:
        choice = self._choices[index]
        return (
            f'{self._before}{index}, "text": {json.dumps(text)}, '
            f'"logprobs": {json.dumps(choice.take_logprobs())}, '
            f'"finish_reason": {json.dumps(choice.reason)}{self._behind}'
        )
