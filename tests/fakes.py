"""Stand-ins for what tests must not need: an engine that says what it is told to say."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from swarm.engines.base import (
    Accepted,
    Delta,
    Embedding,
    EngineLoad,
    Event,
    Finished,
    ModelInfo,
    Started,
)
from swarm.errors import ContextOverflow, EngineError, GenerationFailed, SwarmError
from swarm.types import FinishReason, Prompt, TokenLogprob

INFO = ModelInfo(
    name="fake",
    description="says what it is told",
    architecture="llama",
    parameters=1_000,
    size_bytes=2_000,
    context_tokens=4_096,
    trained_context_tokens=4_096,
    vocabulary=1_000,
    chat_template=None,
    bos_token="<s>",
    eos_token="</s>",
    max_sequences=8,
    sampling={"temperature": 0.8},
)


@dataclass
class FakeEngine:
    """Says `words` (one step each) to every prompt; a token is a character of the prompt.

    `error`: raised instead of an answer. `fail_after`: GenerationFailed after that many words.
    `step_s`: time of a step. `prefill_s`: time between acceptance and the first word. `thoughts`:
    reasoning that it tells apart itself, by the place of the word behind it.
    """

    words: Sequence[str] = ("Hello", " there", ".")
    model_info: ModelInfo | EngineError = INFO
    error: SwarmError | None = None
    fail_after: int | None = None
    step_s: float = 0.0
    prefill_s: float = 0.0
    reason: FinishReason = "stop"
    cached_tokens: int = 0
    prompts: list[Prompt] = field(default_factory=list[Prompt])
    embedded: list[str | tuple[int, ...]] = field(default_factory=list[str | tuple[int, ...]])
    running: int = 0
    cancelled: int = 0
    closed: bool = False
    answer: Callable[[Prompt], Sequence[str]] | None = None
    thoughts: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def info(self) -> ModelInfo:
        if isinstance(self.model_info, EngineError):
            raise self.model_info
        return self.model_info

    def with_template(self, source: str) -> "FakeEngine":
        self.model_info = replace(self.info, chat_template=source)
        return self

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        self.prompts.append(prompt)
        if self.error is not None:
            raise self.error
        length = len(prompt.text)
        if length > self.info.context_tokens:
            raise ContextOverflow(length, self.info.context_tokens)
        self.running += 1
        done = False
        try:
            yield [Accepted(length)]
            await asyncio.sleep(self.prefill_s)
            yield [Started(length, self.cached_tokens)]
            words = self.answer(prompt) if self.answer else self.words
            limit = prompt.sampling.max_tokens
            said = words if limit is None else words[:limit]
            for at, word in enumerate(said):
                await asyncio.sleep(self.step_s)
                if self.closed or at == self.fail_after:
                    raise GenerationFailed("the engine ended in the middle")
                said_with = _logprobs(prompt, word), self.thoughts.get(at, "")
                yield [Delta(index, word, 1, *said_with) for index in range(prompt.n)]
            reason = self.reason if len(said) == len(words) else "length"
            yield [Finished(index, reason, len(said), 0.01, 0.02) for index in range(prompt.n)]
            done = True
        finally:
            self.running -= 1
            self.cancelled += not done

    async def tokenize(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    async def embed(self, text: str | tuple[int, ...]) -> Embedding:
        self.embedded.append(text)
        if len(text) > self.info.context_tokens:
            raise ContextOverflow(len(text), self.info.context_tokens)
        return Embedding((0.6, 0.8), len(text))

    async def load(self) -> EngineLoad:
        _ = self.info
        return EngineLoad(self.running, 0, self.running, 0, 0)

    async def aclose(self) -> None:
        self.closed = True


def _logprobs(prompt: Prompt, word: str) -> tuple[TokenLogprob, ...]:
    wanted = prompt.sampling.top_logprobs
    if wanted is None:
        return ()
    rivals = tuple(TokenLogprob(f"r{at}", b"r", -1.0 - at) for at in range(wanted))
    return (TokenLogprob(word, word.encode(), -0.5, rivals),)
