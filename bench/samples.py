"""Answers to questions, drawn from one worker of a node; and votes of the node itself, timed."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import openai

from bench.servers import Server
from bench.slices import Question, Sampled, Slice, judged
from swarm.consensus.canonical import Form, form_of
from swarm.types import Candidate, ToolCall

NEUTRAL = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
"""Nothing is cut off: the temperature alone says how the answers spread."""


class Asker:
    """Draws samples; slices that ask the same questions share theirs."""

    def __init__(self, server: Server) -> None:
        self._base_url = f"{server.url}/v1"
        self._drawn: dict[tuple[str, float, int], list[list[Candidate]]] = {}

    def sampled(
        self, part: Slice, questions: Sequence[Question], *, temperature: float, samples: int
    ) -> list[Sampled]:
        """This many answers to each of the slice's questions, judged."""
        key = (questions[0].messages[-1]["content"], temperature, samples)
        if key not in self._drawn:
            self._drawn[key] = asyncio.run(self._ask(questions, temperature, samples))
        drawn = zip(questions, self._drawn[key], strict=True)
        return [judged(part, question, answers) for question, answers in drawn]

    async def _ask(
        self, questions: Sequence[Question], temperature: float, samples: int
    ) -> list[list[Candidate]]:
        gate = asyncio.Semaphore(4)
        async with openai.AsyncOpenAI(
            base_url=self._base_url, api_key="none", max_retries=0, timeout=600
        ) as client:

            async def one(question: Question) -> list[Candidate]:
                async with gate:
                    said = await client.chat.completions.create(
                        model="swarm-fast", n=samples, **_fields(question, temperature)
                    )
                return [_candidate(choice) for choice in said.choices]

            return await asyncio.gather(*map(one, questions))

    def vote(
        self, part: Slice, question: Question, *, voters: int, decide: str, seed: int
    ) -> tuple[Form, float]:
        """What the node's own vote says, and the seconds that it took."""
        fields = _fields(question, part.temperature) | {"seed": seed}
        return self._voted(part, fields, {"voters": voters, "decide": decide})[:2]

    def still(self, part: Slice, question: Question, *, voters: int) -> tuple[Form, bool]:
        """What the node says at temperature 0 when it is asked for that many voters, and whether
        all of them said it.
        """
        asked = {"voters": voters, "decide": "all"}
        form, _, verdict = self._voted(part, _fields(question, 0.0), asked)
        return form, verdict["valid"] == voters and verdict["support"] == 1

    def _voted(
        self, part: Slice, fields: dict[str, Any], swarm: dict[str, Any]
    ) -> tuple[Form, float, dict[str, Any]]:
        fields["extra_body"] = NEUTRAL | {"swarm": swarm}
        with openai.OpenAI(
            base_url=self._base_url, api_key="none", max_retries=0, timeout=600
        ) as client:
            began = time.perf_counter()
            said = client.chat.completions.create(model="swarm", **fields)
            seconds = time.perf_counter() - began
        form = form_of(_candidate(said.choices[0]), part.reading)
        return form, seconds, (said.usage.model_extra or {})["swarm"]


def _fields(question: Question, temperature: float) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "messages": question.messages,
        "temperature": temperature,
        "max_tokens": 256,
        "extra_body": NEUTRAL,
    }
    return fields | ({"tools": question.tools} if question.tools else {})


def _candidate(choice: Any) -> Candidate:
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in choice.message.tool_calls or ()
    )
    text = choice.message.content or ""
    return Candidate(str(choice.index), text, calls, finish=choice.finish_reason)
