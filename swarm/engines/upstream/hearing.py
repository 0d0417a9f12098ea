"""What an upstream server streams, as an engine's events. Pure: chunks in, events out."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from printable import printable
from swarm.chat.formats.canonical import CALL_CLOSE, CALL_OPEN
from swarm.engines.base import Delta, Event, Finished, Started
from swarm.errors import (
    ContextOverflow,
    EngineLost,
    EngineNotReady,
    GenerationFailed,
    InvalidRequest,
    Overloaded,
    SwarmError,
)
from swarm.types import FinishReason, TokenLogprob

Chunk: TypeAlias = Mapping[str, Any]

MOST_LINE_BYTES = 8 << 20
"""A line of a stream that is longer is no answer to anything we ask."""

_REFUSED = frozenset({400, 404, 405, 413, 422})

_CONTEXT = re.compile(r"(?:maximum context length (?:is|of)|context length is only) (\d+)")
_TOTAL = re.compile(r"(?:requested|total of(?: at least)?) (\d+) tokens")
_PART = re.compile(r"(\d+) (?:input|output) tokens|is too large: (\d+)")
"""The figures of an overflow in the words of vLLM and SGLang, which give it no code of its own."""


class KeyRefused(GenerationFailed):
    """The server does not know who asks: no question of ours will be answered."""


@dataclass(slots=True)
class Generation:
    """One generation over all of its requests: what is known of the prompt, and when it began."""

    prompt_tokens: int
    asked_s: float
    began_s: float | None = None

    def begin(self, chunk: Chunk, now_s: float) -> list[Event]:
        """Started, the first time; with the server's own count where the chunk has it."""
        if self.began_s is not None:
            return []
        self.began_s = now_s
        timings: Mapping[str, Any] = chunk.get("timings") or {}
        usage: Mapping[str, Any] = chunk.get("usage") or {}
        details: Mapping[str, Any] = usage.get("prompt_tokens_details") or {}
        cached = int(timings.get("cache_n") or details.get("cached_tokens") or 0)
        read = timings.get("prompt_n")
        told = cached + read if read is not None else usage.get("prompt_tokens")
        return [Started(int(told or self.prompt_tokens), cached)]


@dataclass(slots=True)
class _Call:
    """A call as it grows; `place` is its index among those of one choice."""

    place: int
    id: str
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Sequence:
    """One choice of a stream."""

    index: int
    tokens: int = 0
    calls: list[_Call] = field(default_factory=list[_Call])
    reason: FinishReason | None = None
    finished: bool = False


class Hearing:
    """The stream of one request for `count` sequences, which are numbered from `first`."""

    def __init__(
        self,
        generation: Generation,
        *,
        first: int,
        count: int,
        top_logprobs: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._generation = generation
        self._top_logprobs = top_logprobs
        self._clock = clock
        self._sequences = {at: _Sequence(first + at) for at in range(count)}
        self._usage: Mapping[str, Any] = {}

    def hear(self, chunk: Chunk) -> list[Event]:
        """The events of one chunk. Raises the error that it holds instead."""
        if chunk.get("error"):
            raise refusal(_status(_error(chunk).get("code")), chunk)
        self._usage = chunk.get("usage") or self._usage
        events: list[Event] = []
        for choice in chunk.get("choices") or ():
            sequence = self._sequences.get(int(choice.get("index") or 0))
            if sequence is not None and not sequence.finished:
                events += self._hear_choice(sequence, choice, chunk)
        return events

    def end(self) -> list[Event]:
        """The stream has ended. Raises EngineLost if an answer has not."""
        if any(sequence.reason is None for sequence in self._sequences.values()):
            raise EngineLost("the upstream server broke off in the middle of an answer")
        return [
            self._finished(sequence)
            for sequence in self._sequences.values()
            if not sequence.finished
        ]

    def _hear_choice(
        self, sequence: _Sequence, choice: Mapping[str, Any], chunk: Chunk
    ) -> list[Event]:
        logprobs = _logprobs(choice.get("logprobs"), self._top_logprobs)
        delta: Mapping[str, Any] = choice.get("delta") or {}
        thought = str(delta.get("reasoning_content") or delta.get("reasoning") or "")
        text = str(choice.get("text") or delta.get("content") or "")
        for call in delta.get("tool_calls") or ():
            _note_call(sequence, call)
        reason = choice.get("finish_reason") or None  # "" before the end, with some servers
        if reason is not None:
            text += _taken_calls(sequence)
        events: list[Event] = []
        if text or thought or logprobs:
            events += self._generation.begin(chunk, self._clock())
            tokens = len(logprobs) or 1
            sequence.tokens += tokens
            events.append(Delta(sequence.index, text, tokens, logprobs, thought))
        if reason is not None:
            events += self._generation.begin(chunk, self._clock())
            sequence.reason = "length" if reason == "length" else "stop"
            # The count of a single sequence comes with the end; of several, none of its own.
            if len(self._sequences) > 1 or chunk.get("usage"):
                events.append(self._finished(sequence, chunk.get("usage")))
        return events

    def _finished(self, sequence: _Sequence, usage: Mapping[str, Any] | None = None) -> Finished:
        sequence.finished = True
        alone = len(self._sequences) == 1
        told = (usage or (self._usage if alone else {})).get("completion_tokens")
        began = self._generation.began_s or self._generation.asked_s
        return Finished(
            sequence.index,
            sequence.reason or "stop",
            int(told or sequence.tokens),  # some count 0 in every chunk
            prefill_s=began - self._generation.asked_s,
            decode_s=self._clock() - began,
        )


class Lines:
    """The events of a server-sent stream, from bytes as they come."""

    def __init__(self) -> None:
        self._held = b""
        self.done = False

    def feed(self, data: bytes) -> list[Chunk]:
        """The chunks that `data` completes. Raises EngineLost where it is not such a stream."""
        *lines, self._held = (self._held + data).split(b"\n")
        if len(self._held) > MOST_LINE_BYTES:
            raise EngineLost("the upstream server sends a line without an end")
        bodies = [line[5:].strip() for line in lines if line.startswith(b"data:")]
        self.done = self.done or b"[DONE]" in bodies
        return [_chunk(body) for body in bodies if body and body != b"[DONE]"]


def refusal(status: int, body: Any, *, retry_after: str | None = None) -> SwarmError:
    """A server's error answer as one of ours."""
    error = _error(body)
    told = printable(str(error.get("message") or body or "no reason given"))[:500]
    message = f"the upstream server refuses: {told}"
    wait_s = max(1, int(retry_after)) if retry_after and retry_after.isdigit() else None
    kinds = {str(error.get("type")), str(error.get("code"))}
    if kinds & {"exceed_context_size_error", "context_length_exceeded"}:
        return ContextOverflow(int(error.get("n_prompt_tokens") or 0), int(error.get("n_ctx") or 0))
    if status == 400 and (error.get("param") == "input_tokens" or _CONTEXT.search(told)):
        return _overflow(told)
    if status in _REFUSED:
        return InvalidRequest(message)
    if status == 429:
        return Overloaded(message, retry_after_s=wait_s or 2)
    if status == 503:
        return EngineNotReady(message, retry_after_s=wait_s or 5)
    kind = KeyRefused if status == 401 else GenerationFailed
    return kind(f"{message} (status {status})")


def _overflow(told: str) -> ContextOverflow:
    """With the figures of the message, 0 where it has none; what it asks to generate counts too."""
    context, total = _CONTEXT.search(told), _TOTAL.search(told)
    parts = [int(part[1] or part[2]) for part in _PART.finditer(told)]
    asked_tokens = int(total[1]) if total else sum(parts)
    return ContextOverflow(asked_tokens, int(context[1]) if context else 0)


def _error(body: Any) -> Mapping[str, Any]:
    """The error object, wherever the server puts it."""
    found: Any = body.get("error", body) if isinstance(body, Mapping) else {}  # pyright: ignore
    return found if isinstance(found, Mapping) else {"message": found}  # pyright: ignore


def _status(code: Any) -> int:
    """The code of an error as HTTP's status; many servers give a word instead, or nothing."""
    told = str(code)
    return int(told) if told.isdecimal() else 500


def _chunk(body: bytes) -> Chunk:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise EngineLost(f"the upstream server sends what is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise EngineLost("the upstream server sends what is not a chunk of an answer")
    return found  # pyright: ignore[reportUnknownVariableType]


def _note_call(sequence: _Sequence, piece: Mapping[str, Any]) -> None:
    """Hold a piece of a call until the end.

    Some servers give all calls the index 0, or none: a name under another id begins a new one.
    """
    function: Mapping[str, Any] = piece.get("function") or {}
    place, called = int(piece.get("index") or 0), str(piece.get("id") or "")
    name, arguments = str(function.get("name") or ""), str(function.get("arguments") or "")
    known = [call for call in sequence.calls if call.place == place]
    if not known or (name and called and known[-1].id not in ("", called)):
        known = [_Call(place, called)]
        sequence.calls += known
    known[-1].name += name
    known[-1].arguments += arguments


def _taken_calls(sequence: _Sequence) -> str:
    """The calls, in the marks that this program reads; each once, though an end may come twice.

    Arguments go in as they came: what is no JSON is then no call, and counts for nothing.
    """
    text = ""
    calls, sequence.calls = sequence.calls, []
    for call in sorted(calls, key=lambda call: call.place):
        body = f'{{"name": {json.dumps(call.name)}, "arguments": {call.arguments or "{}"}}}'
        text += f"{CALL_OPEN}{body}{CALL_CLOSE}"
    return text


def _logprobs(found: Any, top: int | None) -> tuple[TokenLogprob, ...]:
    """Log probabilities in the form of chat completions, or in the older one of completions.

    A token that shows nothing, such as the one that ends an answer, is left out.
    """
    if top is None or not found:
        return ()
    entries: list[Any] = found.get("content") or _older(found)
    return tuple(_logprob(entry, top) for entry in entries if entry["token"])


def _older(found: Mapping[str, Any]) -> list[Any]:
    tokens: list[str] = found.get("tokens") or []
    logprobs: list[float | None] = found.get("token_logprobs") or []
    tops: list[dict[str, float] | None] = found.get("top_logprobs") or [None] * len(tokens)
    return [
        {
            "token": token,
            "logprob": logprob or 0.0,
            "top_logprobs": [{"token": name, "logprob": p} for name, p in (top or {}).items()],
        }
        for token, logprob, top in zip(tokens, logprobs, tops, strict=False)
    ]


def _logprob(entry: Mapping[str, Any], top: int) -> TokenLogprob:
    rivals: list[Any] = entry.get("top_logprobs") or []
    told: list[int] | None = entry.get("bytes")
    token = str(entry["token"])
    return TokenLogprob(
        token,
        token.encode() if told is None else bytes(told),
        float(entry["logprob"]),
        tuple(_logprob(rival, 0) for rival in rivals[:top]),
    )
