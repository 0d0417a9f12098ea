"""What every engine offers: a description of its model, and generations as streams of events.

An engine lives in its own process (`process.py`). Inside it a `Stepper` does the work one
step at a time; outside it the node sees an `Engine`. Neither knows of HTTP, peers or votes.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from swarm.chat.calls import Call
from swarm.errors import SwarmError
from swarm.types import Constraint, FinishReason, Prompt, TokenLogprob


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A loaded model. `context_tokens` bounds prompt plus completion of one sequence.

    `sampling` is what holds where a request says nothing, by the names of SamplingParams: the
    values of the model's own file, then the engine's.
    `max_sequences` bounds `Prompt.n`; `prefix_cuttable` is False for recurrent memories.
    An engine obeys `Prompt.grammar`, unless `constraint_template` is given: such a one gets no
    grammar, and questions with a constraint in that template, which writes it out for its server.
    `embedding_width` is the length of its vectors, 0 where it makes none; one that does not
    generate makes nothing else.
    """

    name: str
    description: str
    architecture: str
    parameters: int
    size_bytes: int
    context_tokens: int
    trained_context_tokens: int
    vocabulary: int
    chat_template: str | None
    bos_token: str
    eos_token: str
    max_sequences: int
    prefix_cuttable: bool = True
    constraint_template: str | None = None
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])
    embedding_width: int = 0
    generates: bool = True

    @property
    def holds_grammars(self) -> bool:
        """Whether an answer is held to its prompt's grammar; otherwise it must be checked."""
        return self.constraint_template is None

    def ensures(self, constraint: Constraint) -> bool:
        """Whether every answer satisfies it by construction."""
        return constraint == Constraint() or self.holds_grammars

    def temperature(self, asked: float | None) -> float:
        """The temperature that a request names, or the model's own."""
        return self.sampling["temperature"] if asked is None else asked

    @property
    def reads_as_written(self) -> bool:
        """Whether a prompt is what its template has written; else a server writes it once more."""
        return self.holds_grammars or self.chat_template != self.constraint_template


@dataclass(frozen=True, slots=True)
class Accepted:
    """The prompt was tokenised, fits, and waits for its turn: always the first event."""

    prompt_tokens: int


@dataclass(frozen=True, slots=True)
class Started:
    """The prompt was read: its length, and how much of it came from the prefix cache."""

    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Recounted:
    """What was told of the prompt was an estimate, and `now` holds in the place of `before`.

    A server elsewhere may count a prompt only with its last chunk.
    """

    before: Started
    now: Started

    @property
    def more_prompt(self) -> int:
        """How many tokens that adds; less than 0 where the estimate was too high."""
        return self.now.prompt_tokens - self.before.prompt_tokens

    @property
    def more_cached(self) -> int:
        """The same of those that came from a prefix cache."""
        return self.now.cached_tokens - self.before.cached_tokens


@dataclass(frozen=True, slots=True)
class Delta:
    """News of the sequence `index`: text, which never ends inside a code point or a stop string.

    `reasoning` is what the engine knows to be reasoning, said before the text; most engines leave
    it between its marks in the text. `calls` are those that the engine itself tells apart, each as
    whole as it becomes, said behind the text; while one is written there may be `tokens` alone.
    """

    index: int
    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()
    reasoning: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The sequence `index` is complete. Times are seconds of this request's own phases.

    `waited_s`: what went by before the first token and is not known to be reading, as with a server
    elsewhere: its queue, the loading of its model, the network.
    """

    index: int
    reason: FinishReason
    completion_tokens: int
    prefill_s: float
    decode_s: float
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """The sequence `index` will never be complete, and others go on."""

    index: int
    error: SwarmError


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text as a vector of length 1, and how many tokens the text has."""

    vector: tuple[float, ...]
    tokens: int


Event: TypeAlias = Accepted | Started | Recounted | Delta | Finished | Failed


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """A moment's load: requests running and waiting, and cells of the key-value cache."""

    running: int
    waiting: int
    sequences: int
    cells_used: int
    cells_total: int


class Stepper(Protocol):
    """A model inside the engine process. One thread drives it: submit, step, step, ...

    Another one calls `interrupt` and `tokenize`, beside the steps.
    """

    @property
    def info(self) -> ModelInfo: ...

    def submit(self, request_id: int, prompt: Prompt) -> Accepted:
        """Queue a prompt. Raises ContextOverflow or InvalidRequest at once if it cannot run."""
        ...

    def cancel(self, request_id: int) -> None:
        """Forget a request within one step; unknown ids are ignored, for they may have ended."""
        ...

    def interrupt(self, request_id: int) -> None:
        """A cancel is on its way: cut the running step short if it is mostly for this request."""
        ...

    def step(self) -> list[tuple[int, list[Event]]]:
        """Advance every request by about one token or one chunk; events by request id."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, special tokens parsed; of one that is far beyond the context its
        beginning may do, if that is beyond it too.
        """
        ...

    def embed(self, text: str | tuple[int, ...]) -> Embedding:
        """A text as a vector. Raises InvalidRequest, also where it makes none; ContextOverflow."""
        ...

    def load(self) -> EngineLoad: ...

    @property
    def busy(self) -> bool:
        """Whether a step would do anything."""
        ...


class Engine(Protocol):
    """A model as the node sees it."""

    @property
    def info(self) -> ModelInfo:
        """The model. Raises EngineNotReady, which says why, while it is not there."""
        ...

    def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        """Stream a generation: Accepted, later Started, then one list of events a step.

        What Started tells may be Recounted once, before the last Finished.
        Ends after a Finished, or a Failed, for each of `prompt.n` sequences; where all fail the
        error is raised. Closing the iterator (aclose) cancels the generation. Raises
        ContextOverflow, InvalidRequest, Overloaded, EngineNotReady, EngineLost or
        GenerationFailed.
        """
        ...

    async def tokenize(self, text: str) -> list[int]:
        """Token ids of a text, special tokens parsed; of one that is far beyond the context its
        beginning may do, if that is beyond it too.
        """
        ...

    async def embed(self, text: str | tuple[int, ...]) -> Embedding:
        """A text, or its token ids, as a vector.

        Raises InvalidRequest where this model makes none (`embedding_width` 0), ContextOverflow,
        and what `generate` raises.
        """
        ...

    async def load(self) -> EngineLoad: ...

    async def aclose(self) -> None:
        """End the engine; running generations raise EngineLost."""
        ...
