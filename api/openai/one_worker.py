"""A chat answer of one worker here, unvoted, as OpenAI's objects: whole or streamed."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiohttp import web

from api.context import POOL, PULSE_S, watched
from api.errors import json_response
from api.openai.choice import ChoiceBody, Deltas
from api.openai.in_time import CutShort, in_time
from api.openai.panel import Panel
from api.openai.reply import (
    Counts,
    Envelope,
    all_needed,
    envelope,
    gather,
    logprobs_object,
    must_be_finished,
    verdict_headers,
)
from api.sse import DONE, data, stream_answer
from swarm.answer import ONE_WORKER, speed
from swarm.chat.calls import Call
from swarm.chat.completion import CompletionParser
from swarm.chat.completion import Piece as Parsed
from swarm.collect import Piece
from swarm.engines.base import Delta, Event, Finished
from swarm.types import FinishReason, Prompt, TokenLogprob, ToolCall, Verdict, WorkerReport


async def answer_by_one(panel: Panel) -> web.StreamResponse:
    """One worker of this node, or `n` plain samples of it, with the deadline that it asks for."""
    request, ask, note = panel.request, panel.ask, panel.team.note
    sampling = ask.question.sampling
    pool = request.app[POOL]
    model = pool.resolve(ask.model)
    asked = await pool.written(model, ask.question)
    head = envelope("chatcmpl", model.id, model.engine.info)
    prompt = Prompt(asked.text, sampling, ask.n, grammar=asked.grammar)
    generation = pool.generate(model, prompt, panel.own.kept(model))
    events = watched(request, all_needed(generation))
    if ask.vote.deadline_s is not None:
        events = in_time(events, ask.n, ask.vote.deadline_s)
    logprobs = sampling.top_logprobs is not None
    choices = [Choice(asked.parser(checked=True), [] if logprobs else None) for _ in range(ask.n)]
    if ask.stream:
        encoder = ChatStream(head, choices, include_usage=ask.include_usage, note=note)
        response = await stream_answer(request, events, encoder, pulse_s=request.app[PULSE_S])
        panel.tell(encoder.verdict)
        return response
    gatherer = ChatWhole(head, choices, note=note)
    body = await gather(events, gatherer)
    panel.tell(gatherer.verdict)
    return json_response(body, headers=verdict_headers(gatherer.verdict))


@dataclass(slots=True)
class Choice:
    """One sequence on its way to a choice; `logprobs` None: none were asked for."""

    parser: CompletionParser
    logprobs: list[TokenLogprob] | None
    reason: FinishReason | None = None

    def read(self, event: Delta, counts: Counts) -> list[Piece]:
        """The pieces that new text completes."""
        if self.parser.in_reasoning or event.reasoning:
            counts.reasoning += event.tokens
        if self.logprobs is not None:
            self.logprobs += event.logprobs
        return _with_ids(self.parser.feed(event.text, event.reasoning, event.calls))

    def finish(self, event: Finished) -> list[Piece]:
        """The pieces that were held back; sets the reason."""
        pieces, self.reason = self.parser.finish(event.reason)
        return _with_ids(pieces)


def _with_ids(pieces: list[Parsed]) -> list[Piece]:
    """The same pieces, their calls with ids of their own."""
    return [
        ToolCall(f"call_{secrets.token_hex(12)}", piece.name, piece.arguments)
        if isinstance(piece, Call)
        else piece
        for piece in pieces
    ]


def _verdict(
    finished: Sequence[Finished], choices: Sequence[Choice], head: Envelope, note: str | None
) -> Verdict:
    """The verdict of an answer that nobody voted on: one worker, maybe of several samples."""
    finished = sorted(finished, key=lambda event: event.index)
    late = any(isinstance(event, CutShort) for event in finished)
    workers = tuple(
        _report(event, head.model, choices[event.index].parser.flaw) for event in finished
    )
    valid = any(worker.why is None for worker in workers)
    return Verdict(
        strategy=ONE_WORKER,
        decided_by="deadline" if late else "only one",
        winner="0",
        asked=1,
        valid=int(valid),
        abstained=int(not valid),
        cancelled=0,
        support=1.0,
        margin=1.0,
        tokens_per_s=_speed(finished[0]),
        generated_tokens=sum(event.completion_tokens for event in finished),
        workers=workers,
        note=note,
    )


def _report(event: Finished, model: str, why: str | None) -> WorkerReport:
    state = "abstained" if why else "valid"
    return WorkerReport("0", model, state, event.completion_tokens, _speed(event), why=why)


def _speed(event: Finished) -> float:
    return speed(event.completion_tokens, event.waited_s + event.prefill_s + event.decode_s)


class ChatWhole:
    """Gathers a chat answer that is not streamed."""

    def __init__(self, head: Envelope, choices: list[Choice], *, note: str | None = None) -> None:
        self._head = head
        self._note = note
        self._choices = choices
        self._bodies = [ChoiceBody() for _ in choices]
        self._finished: list[Finished] = []
        self._counts = Counts()

    @property
    def verdict(self) -> Verdict:
        """Of a complete answer."""
        return _verdict(self._finished, self._choices, self._head, self._note)

    def add(self, events: list[Event]) -> None:
        """Take one step's events."""
        for event in events:
            self._counts.add(event)
            if isinstance(event, Delta):
                self._add(event.index, self._choices[event.index].read(event, self._counts))
            elif isinstance(event, Finished):
                self._add(event.index, self._choices[event.index].finish(event))
                self._finished.append(event)

    def body(self) -> dict[str, Any]:
        """The chat.completion object."""
        must_be_finished(choice.reason for choice in self._choices)
        for choice, body in zip(self._choices, self._bodies, strict=True):
            body.reason, body.logprobs = choice.reason, logprobs_object(choice.logprobs)
        return {
            **self._head.fields("chat.completion"),
            "choices": [body.body(index) for index, body in enumerate(self._bodies)],
            "usage": self._counts.usage() | {"swarm": asdict(self.verdict)},
        }

    def _add(self, index: int, pieces: list[Piece]) -> None:
        for piece in pieces:
            self._bodies[index].add(piece)


_END = "}\n\n"


class ChatStream:
    """Encodes a chat answer as chunks. Only what differs from chunk to chunk is serialised."""

    def __init__(
        self,
        head: Envelope,
        choices: list[Choice],
        *,
        include_usage: bool,
        note: str | None = None,
    ) -> None:
        self._head = head
        self._note = note
        self._choices = choices
        self._deltas = [Deltas() for _ in choices]
        self._finished: list[Finished] = []
        self._counts = Counts()
        self._include_usage = include_usage
        self._before, self._behind = head.frame(
            "chat.completion.chunk", include_usage=include_usage
        )

    @property
    def verdict(self) -> Verdict | None:
        """Once all choices have ended."""
        whole = len(self._finished) == len(self._choices)
        return _verdict(self._finished, self._choices, self._head, self._note) if whole else None

    def begin(self) -> bytes:
        """The role of every choice."""
        delta = {"role": "assistant", "content": "", "refusal": None}
        chunks = [self._chunk(index, json.dumps(delta)) for index in range(len(self._choices))]
        return "".join(chunks).encode()

    def step(self, events: list[Event]) -> bytes:
        """The chunks of one engine step."""
        chunks: list[str] = []
        for event in events:
            if isinstance(event, Delta):
                pieces = self._choices[event.index].read(event, self._counts)
                self._say(event.index, pieces, chunks)
                continue
            self._counts.add(event)
            if isinstance(event, Finished):
                self._say(event.index, self._choices[event.index].finish(event), chunks)
                self._finished.append(event)
                chunks.append(self._last(event.index))
        return "".join(chunks).encode()

    def end(self) -> bytes:
        """The usage, if asked for, and the end mark."""
        must_be_finished(choice.reason for choice in self._choices)
        if not self._include_usage:
            return DONE
        fields = self._head.fields("chat.completion.chunk")
        usage = self._counts.usage() | {
            "swarm": asdict(_verdict(self._finished, self._choices, self._head, self._note))
        }
        return data(json.dumps({**fields, "choices": [], "usage": usage})) + DONE

    def _say(self, index: int, pieces: list[Piece], chunks: list[str]) -> None:
        deltas = self._deltas[index]
        chunks += [self._chunk(index, json.dumps(deltas.of(piece))) for piece in pieces]

    def _last(self, index: int) -> str:
        """The chunk that ends a choice; that of the last one carries the verdict."""
        chunk = self._chunk(index, "{}", json.dumps(self._choices[index].reason))
        verdict = self.verdict
        if verdict is None:
            return chunk
        return f'{chunk.removesuffix(_END)}, "swarm": {json.dumps(asdict(verdict))}{_END}'

    def _chunk(self, index: int, delta: str, reason: str = "null") -> str:
        logprobs = self._logprobs(self._choices[index])
        return (
            f'{self._before}{index}, "delta": {delta}, "logprobs": {logprobs}, '
            f'"finish_reason": {reason}{self._behind}'
        )

    @staticmethod
    def _logprobs(choice: Choice) -> str:
        """Those that wait: text may be held back, and its tokens go out with the next chunk."""
        if not choice.logprobs:
            return "null"
        text = json.dumps(logprobs_object(choice.logprobs))
        choice.logprobs = []
        return text
