"""What answers of all kinds share: who answers, tokens and verdict, events gathered to the end."""

import hashlib
import json
import secrets
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from swarm.engines.base import Accepted, Event, Failed, Finished, ModelInfo, Recounted, Started
from swarm.errors import GenerationFailed
from swarm.types import FinishReason, TokenLogprob, Verdict

SPEEDS_TOLD = 32
"""A header tells at most this many workers' speeds: clients bound the length of its line."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields that every object of one answer repeats."""

    id: str
    created: int
    model: str
    fingerprint: str

    def fields(self, kind: str) -> dict[str, Any]:
        """Those fields under their OpenAI names; `kind` is the object's type."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }

    def frame(self, kind: str, *, include_usage: bool) -> tuple[str, str]:
        """What stands in each chunk before the index of its one choice, and behind that choice."""
        fields = json.dumps(self.fields(kind))
        end = '}], "usage": null}' if include_usage else "}]}"
        return f'data: {fields[:-1]}, "choices": [{{"index": ', f"{end}\n\n"


def envelope(prefix: str, model_id: str, info: ModelInfo) -> Envelope:
    """A fresh envelope. The fingerprint changes when another model file is behind the id."""
    identity = f"{info.name} {info.architecture} {info.parameters} {info.size_bytes}"
    return named_envelope(prefix, model_id, identity)


def named_envelope(prefix: str, model_id: str, identity: str = "") -> Envelope:
    """A fresh envelope of an answer in which models may differ: the fingerprint is the name's."""
    digest = hashlib.sha256((identity or model_id).encode()).hexdigest()[:10]
    return Envelope(f"{prefix}-{secrets.token_hex(12)}", int(time.time()), model_id, f"fp_{digest}")


def usage_object(*, prompt: int, cached: int, completion: int, reasoning: int) -> dict[str, Any]:
    """Tokens of an answer as clients expect them; those cached are of the prompt's."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def verdict_headers(verdict: Verdict) -> dict[str, str]:
    """The verdict's short form, for those who read headers."""
    return {
        "x-swarm-strategy": verdict.strategy,
        "x-swarm-decided-by": verdict.decided_by,
        "x-swarm-winner": verdict.winner,
        "x-swarm-voters": str(verdict.asked),
        "x-swarm-valid": str(verdict.valid),
        "x-swarm-abstained": str(verdict.abstained),
        "x-swarm-cancelled": str(verdict.cancelled),
        "x-swarm-support": f"{verdict.support:.4f}",
        "x-swarm-margin": f"{verdict.margin:.4f}",
        "x-swarm-tokens-per-s": f"{verdict.tokens_per_s:.2f}",
        "x-swarm-tokens-per-s-of-each": ", ".join(
            f"{worker.voter}={worker.tokens_per_s:.2f}" for worker in verdict.workers[:SPEEDS_TOLD]
        ),
        **({"x-swarm-note": verdict.note} if verdict.note else {}),
    }


class Counts:
    """Tokens of one answer, gathered from its events."""

    def __init__(self) -> None:
        self._accepted = 0
        self._prompt = 0
        self._cached = 0
        self._completion = 0
        self.reasoning = 0

    def add(self, event: Event) -> None:
        """Count what the event tells."""
        if isinstance(event, Accepted):
            self._accepted += event.prompt_tokens
        elif isinstance(event, Started):
            self._prompt += event.prompt_tokens
            self._cached += event.cached_tokens
        elif isinstance(event, Recounted):
            self._prompt += event.more_prompt
            self._cached += event.more_cached
        elif isinstance(event, Finished):
            self._completion += event.completion_tokens

    def usage(self) -> dict[str, Any]:
        """The usage object."""
        return usage_object(
            prompt=self._prompt or self._accepted,
            cached=self._cached,
            completion=self._completion,
            reasoning=self.reasoning,
        )


class Gatherer(Protocol):
    """Takes an answer's events and gives the answer's body."""

    def add(self, events: list[Event]) -> None:
        """Take one step's events."""
        ...

    def body(self) -> dict[str, Any]:
        """The answer; raises GenerationFailed if it is not complete."""
        ...


async def gather(events: AsyncGenerator[list[Event]], gatherer: Gatherer) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    async with aclosing(events):
        async for step in events:
            gatherer.add(step)
    return gatherer.body()


async def all_needed(events: AsyncGenerator[list[Event]]) -> AsyncGenerator[list[Event]]:
    """The same events of sequences that nobody votes on; raises the error of the first to fail."""
    async with aclosing(events):
        async for step in events:
            for event in step:
                if isinstance(event, Failed):
                    raise event.error
            yield step


def must_be_finished(reasons: Iterable[FinishReason | None]) -> None:
    """Raise GenerationFailed if a choice was left without its end."""
    if None in reasons:
        raise GenerationFailed("the engine ended before the answer was complete")


def finite(logprob: float) -> float:
    """JSON has no infinities; OpenAI writes -9999."""
    return max(logprob, -9999.0)


def logprobs_object(logprobs: list[TokenLogprob] | None) -> dict[str, Any] | None:
    """The logprobs field of a chat choice."""
    if logprobs is None:
        return None
    return {"content": [_token(token, top=True) for token in logprobs], "refusal": None}


def _token(token: TokenLogprob, *, top: bool = False) -> dict[str, Any]:
    shown = {"token": token.token, "logprob": finite(token.logprob), "bytes": list(token.utf8)}
    return {**shown, "top_logprobs": [_token(rival) for rival in token.top]} if top else shown
