"""A chat answer by vote as OpenAI's objects: whole, or streamed, with its verdict."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from aiohttp import web

from api.context import PULSE_S
from api.errors import json_response
from api.openai.choice import ChoiceBody, Deltas
from api.openai.reply import Envelope, logprobs_object, usage_object, verdict_headers
from api.openai.translate import ChatAsk
from api.sse import DONE, data, stream_answer
from swarm.answer import End, Part, Progress, Say
from swarm.chat.marks import PROGRESS
from swarm.errors import GenerationFailed
from swarm.types import Verdict


def usage(ends: Sequence[End], verdict: Verdict) -> dict[str, Any]:
    """The usage object: the winners' tokens as clients expect, the vote's numbers beside them.

    An answer that is given as several choices was generated once and counts once.
    """
    drafts = {end.draft.voter.id: end.draft for end in ends}.values()
    counted = usage_object(
        prompt=max(end.draft.prompt_tokens for end in ends),
        cached=max(end.draft.cached_tokens for end in ends),
        completion=sum(draft.tokens for draft in drafts),
        reasoning=sum(draft.reasoning_tokens for draft in drafts),
    )
    return {**counted, "swarm": asdict(verdict)}


async def whole(
    parts: AsyncGenerator[list[Part]], head: Envelope
) -> tuple[dict[str, Any], Verdict]:
    """The chat.completion object of an answer by vote, and its verdict."""
    choices: dict[int, ChoiceBody] = {}
    ends: list[End] = []
    verdict = None
    async with aclosing(parts):
        async for step in parts:
            for part in step:
                match part:
                    case Say(index, piece):
                        choices.setdefault(index, ChoiceBody()).add(piece)
                    case End(index, reason, draft):
                        choice = choices.setdefault(index, ChoiceBody())
                        choice.reason = reason
                        choice.logprobs = logprobs_object(draft.logprobs or None)
                        ends.append(part)
                    case Verdict():
                        verdict = part
                    case Progress():
                        pass
    if verdict is None:
        raise GenerationFailed("the vote ended without a verdict")
    body = {
        **head.fields("chat.completion"),
        "choices": [choice.body(index) for index, choice in sorted(choices.items())],
        "usage": usage(ends, verdict),
    }
    return body, verdict


async def answer_in_parts(
    request: web.Request,
    ask: ChatAsk,
    head: Envelope,
    parts: AsyncGenerator[list[Part]],
    *,
    progress: bool,
    tell: Callable[[Verdict | None], None],
) -> web.StreamResponse:
    """The answer as the client wants it, whole or streamed; `tell` hears its verdict."""
    if ask.stream:
        encoder = VotedStream(head, ask.n, include_usage=ask.include_usage, progress=progress)
        response = await stream_answer(request, parts, encoder, pulse_s=request.app[PULSE_S])
        tell(encoder.verdict)
        return response
    body, verdict = await whole(parts, head)
    tell(verdict)
    return json_response(body, headers=verdict_headers(verdict))


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
        self._deltas = [Deltas() for _ in range(n)]
        self.verdict: Verdict | None = None

    def begin(self) -> bytes:
        """The role of every choice, before anything is read."""
        role = {"role": "assistant", "content": "", "refusal": None}
        return b"".join(self._chunk(index, role) for index in range(self._choices))

    def step(self, parts: list[Part]) -> bytes:
        """The chunks of some parts."""
        return b"".join(map(self._part, parts))

    def end(self) -> bytes:
        """The usage, if asked for, and the end mark."""
        if self.verdict is None:
            raise GenerationFailed("the vote ended without a verdict")
        if not self._include_usage:
            return DONE
        counted = usage(self._ends, self.verdict)
        return data(json.dumps({**self._head, "choices": [], "usage": counted})) + DONE

    def _part(self, part: Part) -> bytes:
        match part:
            case Say(index, piece):
                return self._chunk(index, self._deltas[index].of(piece))
            case Progress(line):
                said = {"reasoning_content": f"{PROGRESS}{line}\n"}
                return self._chunk(0, said) if self._progress else b""
            case End():
                self._ends.append(part)
                return b""
            case Verdict():
                self.verdict = part
                return b"".join(self._last(end, part) for end in self._ends)

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
