"""Asks a server and takes the time; the same requests for every server."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench.servers import Server

SAMPLING: dict[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05}
"""Both servers' defaults, said to both."""

TIMEOUT = aiohttp.ClientTimeout(total=900)


@dataclass(slots=True)
class Timing:
    """One answer: seconds from the request to each piece of text and to the end, and counts."""

    pieces_s: list[float] = field(default_factory=list[float])
    total_s: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    text: str = ""

    @property
    def first_s(self) -> float:
        return self.pieces_s[0]

    @property
    def decode_speed(self) -> float:
        """Tokens per second after the first token."""
        return (self.completion_tokens - 1) / (self.pieces_s[-1] - self.pieces_s[0])


async def whole(server: Server, prompt: str, *, n: int = 1, max_tokens: int) -> Timing:
    """`n` completions of one prompt, not streamed."""
    body = {**_body(prompt, max_tokens), "n": n}
    timing = Timing()
    began = time.perf_counter()
    async with _session() as session, session.post(_completions(server), json=body) as answer:
        reply = json.loads(await _checked(answer))
    timing.total_s = time.perf_counter() - began
    # A server that has made `n` completions counts all of them in its usage, or only one.
    _count(timing, reply["usage"])
    if len(reply["choices"]) != n:
        raise RuntimeError(f"{server.name} gave {len(reply['choices'])} answers, not {n}")
    timing.text = reply["choices"][0]["text"]
    return timing


async def streamed(server: Server, prompt: str, *, max_tokens: int) -> Timing:
    """One completion, streamed."""
    return await _stream(_completions(server), _body(prompt, max_tokens))


async def chat(
    server: Server,
    messages: Sequence[dict[str, str]],
    *,
    max_tokens: int,
    model: str = "swarm-fast",
    **fields: object,
) -> Timing:
    """One answer in a conversation, streamed; of one worker unless another model id is named."""
    body = {"model": model, "messages": list(messages), "max_tokens": max_tokens, **SAMPLING}
    return await _stream(f"{server.url}/v1/chat/completions", {**body, **fields})


async def at_once(server: Server, prompts: Sequence[str], *, max_tokens: int) -> list[Timing]:
    """One stream for each prompt, all started together."""
    return list(
        await asyncio.gather(*(streamed(server, p, max_tokens=max_tokens) for p in prompts))
    )


def _completions(server: Server) -> str:
    return f"{server.url}/v1/completions"


def _body(prompt: str, max_tokens: int) -> dict[str, Any]:
    return {"model": "swarm", "prompt": prompt, "max_tokens": max_tokens, **SAMPLING}


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=TIMEOUT)


async def _stream(url: str, body: dict[str, Any]) -> Timing:
    timing = Timing()
    body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    began = time.perf_counter()
    async with _session() as session, session.post(url, json=body) as answer:
        if answer.status != 200:
            await _checked(answer)
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            chunk = json.loads(line[6:])
            piece = _text(chunk)
            if piece:
                timing.pieces_s.append(time.perf_counter() - began)
                timing.text += piece
            if chunk.get("usage"):
                _count(timing, chunk["usage"])
    timing.total_s = time.perf_counter() - began
    return timing


def _text(chunk: dict[str, Any]) -> str:
    if not chunk.get("choices"):
        return ""
    choice = chunk["choices"][0]
    delta = choice.get("delta", {})
    return choice.get("text") or delta.get("content") or delta.get("reasoning_content") or ""


def _count(timing: Timing, usage: dict[str, Any]) -> None:
    timing.prompt_tokens = usage["prompt_tokens"]
    timing.completion_tokens = usage["completion_tokens"]
    timing.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)


async def _checked(answer: aiohttp.ClientResponse) -> bytes:
    body = await answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{answer.url}: {answer.status} {body[:500].decode(errors='replace')}")
    return body
