"""A chat answer by vote as OpenAI's objects: whole, or streamed, with its verdict."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field
from typing import Any

from api.openai.reply import Envelope, logprobs_object
from api.sse import DONE, data
from swarm.answer import Course, End, Part, Say
from swarm.chat.completion import Reasoning, Text
from swarm.collect import Piece
from swarm.engines.base import Finished
from swarm.errors import GenerationFailed
from swarm.types import ToolCall, Verdict, WorkerReport


def usage(ends: Sequence[End], verdict: Verdict) -> dict[str, Any]:
    """The usage object: the winners' tokens as clients expect, the vote's numbers beside them."""
    prompt = max(end.draft.prompt_tokens for end in ends)
    cached = max(end.draft.cached_tokens for end in ends)
    completion = sum(end.draft.tokens for end in ends)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(end.draft.reasoning_tokens for end in ends),
            "audio_tokens": 0,
        },
        "swarm": asdict(verdict),
    }


def verdict_headers(verdict: Verdict) -> dict[str, str]:
    """The verdict's short form, for those who read headers."""
    return {
        "x-swarm-strategy": verdict.strategy,
        "x-swarm-decided-by": verdict.decided_by,
        "x-swarm-winner": verdict.winner,
        "x-swarm-voters": str(verdict.asked),
        "x-swarm-valid": str(verdict.valid),
        "x-swarm-support": f"{verdict.support:.4f}",
        "x-swarm-margin": f"{verdict.margin:.4f}",
    }


def verdict_of_one(finished: Finished, note: str | None) -> Verdict:
    """The verdict of an answer that nobody voted on."""
    seconds = finished.prefill_s + finished.decode_s
    speed = round(finished.completion_tokens / seconds, 2) if seconds > 0 else 0.0
    worker = WorkerReport("0", "valid", finished.completion_tokens, speed)
    return Verdict(
        strategy="one worker",
        decided_by="only one",
        winner="0",
        asked=1,
        valid=1,
        abstained=0,
        cancelled=0,
        support=1.0,
        margin=1.0,
        tokens_per_s=speed,
        generated_tokens=finished.completion_tokens,
        workers=(worker,),
        note=note,
    )


def call_object(call: ToolCall) -> dict[str, Any]:
    """A tool call in an answer."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


@dataclass(slots=True)
class _Choice:
    text: str = ""
    reasoning: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    reason: str | None = None
    logprobs: dict[str, Any] | None = None

    def add(self, piece: Piece) -> None:
        if isinstance(piece, Text):
            self.text += piece.text
        elif isinstance(piece, Reasoning):
            self.reasoning += piece.text
        else:
            self.calls.append(call_object(piece))

    def body(self, index: int) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": None if self.calls and not self.text else self.text,
            "refusal": None,
        }
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = self.calls
        return {
            "index": index,
            "message": message,
            "logprobs": self.logprobs,
            "finish_reason": self.reason,
        }


async def whole(
    parts: AsyncGenerator[list[Part]], head: Envelope
) -> tuple[dict[str, Any], Verdict]:
    """The chat.completion object of an answer by vote, and its verdict."""
    choices: dict[int, _Choice] = {}
    ends: list[End] = []
    verdict = None
    async with aclosing(parts):
        async for step in parts:
            for part in step:
                match part:
                    case Say(index, piece):
                        choices.setdefault(index, _Choice()).add(piece)
                    case End(index, reason, draft):
                        choice = choices.setdefault(index, _Choice())
                        choice.reason = reason
                        choice.logprobs = logprobs_object(draft.logprobs or None)
                        ends.append(part)
                    case Verdict():
                        verdict = part
                    case Course():
                        pass
    if verdict is None:
        raise GenerationFailed("the vote ended without a verdict")
    body = {
        **head.fields("chat.completion"),
        "choices": [choice.body(index) for index, choice in sorted(choices.items())],
        "usage": usage(ends, verdict),
    }
    return body, verdict


class VotedStream:
    """Encodes the parts of an answer by vote as chunks.

    The chunk that ends a choice waits for the verdict, which it carries, as it does the winner's
    log probabilities: before the verdict nobody knows whose they are.
    """

    def __init__(self, head: Envelope, n: int, *, include_usage: bool, progress: bool) -> None:
        self._head = head.fields("chat.completion.chunk")
        self._choices = n
        self._include_usage = include_usage
        self._progress = progress
        self._ends: list[End] = []
        self._calls: dict[int, int] = {}
        self._verdict: Verdict | None = None

    @property
    def verdict(self) -> Verdict:
        """Raises GenerationFailed before the vote is decided."""
        if self._verdict is None:
            raise GenerationFailed("the vote ended without a verdict")
        return self._verdict

    def begin(self) -> bytes:
        """The role of every choice, before anything is read."""
        role = {"role": "assistant", "content": "", "refusal": None}
        return b"".join(self._chunk(index, role) for index in range(self._choices))

    def step(self, parts: list[Part]) -> bytes:
        """The chunks of some parts."""
        return b"".join(map(self._part, parts))

    def end(self) -> bytes:
        """The usage, if asked for, and the end mark."""
        verdict = self.verdict
        if not self._include_usage:
            return DONE
        counted = usage(self._ends, verdict)
        return data(json.dumps({**self._head, "choices": [], "usage": counted})) + DONE

    def _part(self, part: Part) -> bytes:
        match part:
            case Say(index, piece):
                return self._chunk(index, self._delta(index, piece))
            case Course(line):
                said = {"reasoning_content": line + "\n"}
                return self._chunk(0, said) if self._progress else b""
            case End():
                self._ends.append(part)
                return b""
            case Verdict():
                self._verdict = part
                return b"".join(self._last(end, part) for end in self._ends)

    def _delta(self, index: int, piece: Piece) -> dict[str, Any]:
        if isinstance(piece, Text):
            return {"content": piece.text}
        if isinstance(piece, Reasoning):
            return {"reasoning_content": piece.text}
        at = self._calls[index] = self._calls.get(index, -1) + 1
        return {"tool_calls": [{"index": at, **call_object(piece)}]}

    def _last(self, end: End, verdict: Verdict) -> bytes:
        extra = {"swarm": asdict(verdict)} if end.index == 0 else {}
        logprobs = logprobs_object(end.draft.logprobs or None)
        return self._chunk(end.index, {}, end.reason, extra, logprobs)

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        reason: str | None = None,
        extra: dict[str, Any] | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        usage_field = {"usage": None} if self._include_usage else {}
        return data(json.dumps({**self._head, "choices": [choice], **usage_field, **(extra or {})}))
