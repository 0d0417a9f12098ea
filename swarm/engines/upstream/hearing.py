"""What an upstream server streams, as an engine's events. Pure: chunks in, events out."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from printable import printable
from swarm.chat.calls import Call
from swarm.engines.base import Delta, Event, Finished, Recounted, Started
from swarm.errors import (
    ContextOverflow,
    EngineLost,
    EngineNotReady,
    GenerationFailed,
    InvalidRequest,
    Overloaded,
    SwarmError,
)
from swarm.types import CUT, FinishReason, TokenLogprob

Chunk: TypeAlias = Mapping[str, Any]

MOST_LINE_BYTES = 8 << 20
"""A line of a stream that is longer doesn't answer anything we ask."""

BROKE_OFF = "the upstream server broke off in the middle of an answer"

_REASONS: Mapping[str, FinishReason] = {reason: reason for reason in CUT}
"""What a server says of an answer that it cut; all else is an end of the model's own choice."""

_REFUSED = frozenset({400, 404, 405, 413, 422})

_CONTEXT = re.compile(r"(?:maximum context length (?:is|of)|context length is only) (\d+)")
_TOTAL = re.compile(r"(?:requested|total of(?: at least)?) (\d+) tokens")
_PART = re.compile(r"(\d+) (?:input|output) tokens|is too large: (\d+)")
"""The figures of an overflow in the words of vLLM and SGLang, which give it no code of its own."""


class KeyRefused(GenerationFailed):
    """The server does not know who asks: no question of ours will be answered."""


@dataclass(slots=True)
class Generation:
    """One generation over all of its requests: what is known of the prompt, and when it began.

    `read_s`: how long the server read the prompt, where it tells that. `told` is what went out of
    its length; `counted`: that is all that the server will say of it.
    """

    prompt_tokens: int
    asked_s: float
    began_s: float | None = None
    read_s: float = 0.0
    told: Started | None = None
    counted: bool = False

    def begin(self, chunk: Chunk, now_s: float) -> list[Event]:
        """Started, the first time; with the server's own count where the chunk has it."""
        if self.began_s is not None:
            return []
        self.began_s = now_s
        timings: Mapping[str, Any] = chunk.get("timings") or {}
        usage: Mapping[str, Any] = chunk.get("usage") or {}
        cached = int(timings.get("cache_n") or _cached(usage))
        read = timings.get("prompt_n")
        self.read_s = min(float(timings.get("prompt_ms") or 0) / 1000, now_s - self.asked_s)
        told = cached + read if read is not None else usage.get("prompt_tokens")
        self.counted = read is not None
        self.told = Started(int(told or self.prompt_tokens), cached)
        return [self.told]

    def end(self, usage: Mapping[str, Any]) -> list[Event]:
        """What the end of a request, the first that tells it, says otherwise of the prompt."""
        counted = int(usage.get("prompt_tokens") or 0)
        if self.counted or not counted or self.told is None:
            return []
        self.counted = True
        before, now = self.told, Started(counted, _cached(usage) or self.told.cached_tokens)
        return [Recounted(before, now)] if now != before else []


@dataclass(slots=True)
class _Call:
    """A call as it grows; `place` is its index among those of one choice."""

    place: int
    id: str
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class _Sequence:
    """One choice of a stream, which is the answer of all these sequences."""

    indices: tuple[int, ...]
    tokens: int = 0
    calls: list[_Call] = field(default_factory=list[_Call])
    reason: FinishReason | None = None
    finished: bool = False


class Hearing:
    """The stream of one request; `drawn` are the indices of each of its choices."""

    def __init__(
        self,
        generation: Generation,
        *,
        drawn: Sequence[tuple[int, ...]],
        top_logprobs: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._generation = generation
        self._top_logprobs = top_logprobs
        self._clock = clock
        self._sequences = {at: _Sequence(indices) for at, indices in enumerate(drawn)}
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

    @property
    def whole(self) -> bool:
        """Whether every answer has ended; only counts can still come then."""
        return all(sequence.reason is not None for sequence in self._sequences.values())

    def end(self) -> list[Event]:
        """The stream has ended. Raises EngineLost if an answer has not."""
        if not self.whole:
            raise EngineLost(BROKE_OFF)
        waiting = [each for each in self._sequences.values() if not each.finished]
        return [event for sequence in waiting for event in self._finished(sequence)]

    def _hear_choice(
        self, sequence: _Sequence, choice: Mapping[str, Any], chunk: Chunk
    ) -> list[Event]:
        logprobs = _logprobs(choice.get("logprobs"), self._top_logprobs)
        delta: Mapping[str, Any] = choice.get("delta") or {}
        thought = str(delta.get("reasoning_content") or delta.get("reasoning") or "")
        text = str(choice.get("text") or delta.get("content") or "")
        pieces = _pieces_of_calls(delta)
        for piece in pieces:
            _note_call(sequence, piece)
        reason = choice.get("finish_reason") or None  # "" before the end, with some servers
        calls = _taken_calls(sequence, reason)
        events: list[Event] = []
        if text or thought or logprobs or pieces or calls:
            events += self._generation.begin(chunk, self._clock())
            tokens = len(logprobs) or int(bool(text or thought or pieces))
            sequence.tokens += tokens
            events += [
                Delta(index, text, tokens, logprobs, thought, calls) for index in sequence.indices
            ]
        if reason is not None:
            events += self._generation.begin(chunk, self._clock())
            sequence.reason = _REASONS.get(reason, "stop")
            # The last waits for the counts, which come with the end: its own, the prompt's.
            last = all(each.finished or each is sequence for each in self._sequences.values())
            if not last or chunk.get("usage"):
                events += self._finished(sequence, chunk.get("usage"))
        return events

    def _finished(self, sequence: _Sequence, usage: Mapping[str, Any] | None = None) -> list[Event]:
        sequence.finished = True
        alone = len(self._sequences) == 1  # of several none has a count of its own
        told = (usage or (self._usage if alone else {})).get("completion_tokens")
        generation = self._generation
        last = all(each.finished for each in self._sequences.values())
        recounted = generation.end(usage or self._usage) if last else []
        began = generation.asked_s if generation.began_s is None else generation.began_s
        ended_s = self._clock()
        return recounted + [
            Finished(
                index,
                sequence.reason or "stop",
                int(told or sequence.tokens),  # some count 0 in every chunk
                prefill_s=generation.read_s,
                decode_s=ended_s - began,
                waited_s=began - generation.asked_s - generation.read_s,
            )
            for index in sequence.indices
        ]


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


def _cached(usage: Mapping[str, Any]) -> int:
    details: Mapping[str, Any] = usage.get("prompt_tokens_details") or {}
    return int(details.get("cached_tokens") or 0)


def _pieces_of_calls(delta: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Also those of older servers, which know one call and neither its index nor its id.

    Some tell it both ways.
    """
    older = delta.get("function_call")
    return list(delta.get("tool_calls") or ([{"function": older}] if older else ()))


def _note_call(sequence: _Sequence, piece: Mapping[str, Any]) -> None:
    """Hold a piece of a call until the end.

    Some servers give all calls the index 0, or none: a name under another id begins a new one.
    Some tell the whole name again with each piece.
    """
    function: Mapping[str, Any] = piece.get("function") or {}
    place, called = int(piece.get("index") or 0), str(piece.get("id") or "")
    name, arguments = str(function.get("name") or ""), str(function.get("arguments") or "")
    known = [call for call in sequence.calls if call.place == place]
    if not known or (name and called and known[-1].id not in ("", called)):
        known = [_Call(place, called)]
        sequence.calls += known
    known[-1].name += "" if name == known[-1].name else name
    known[-1].arguments += arguments


def _taken_calls(sequence: _Sequence, reason: str | None) -> tuple[Call, ...]:
    """The calls of an answer that has ended; each once, though an end may come twice.

    Arguments are told as they came. Where there are none the call has none, unless it was cut.
    """
    if reason is None:
        return ()
    calls, sequence.calls = sequence.calls, []
    nothing = "" if reason in CUT else "{}"
    return tuple(
        Call(call.name, call.arguments or nothing)
        for call in sorted(calls, key=lambda call: call.place)
    )


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
