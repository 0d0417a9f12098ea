"""One request and its sequences on their way through mlx-lm's batches."""

from dataclasses import dataclass, field

from swarm.engines.base import Event
from swarm.engines.mlx.sampler import Sampler
from swarm.engines.text import TextStream
from swarm.types import TokenLogprob


@dataclass(slots=True, eq=False)
class Request:
    """A prompt on its way: its sequences that are not finished, and events not yet sent.

    `shown` are control tokens that its answers show.
    """

    id: int
    prompt_tokens: int
    sequences: "list[Sequence]" = field(default_factory=list["Sequence"])
    events: list[Event] = field(default_factory=list[Event])
    shown: frozenset[int] = frozenset()
    started: bool = False
    kept: bool = False
    cached_tokens: int = 0
    prefill_began: float | None = None
    decode_began: float | None = None


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` are prompt and completion; `limit` bounds the completion."""

    request: Request
    index: int
    tokens: list[int]
    sampler: Sampler
    text: TextStream
    limit: int
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    shown_tokens: int = 0

    @property
    def generated(self) -> int:
        return len(self.tokens) - self.request.prompt_tokens


@dataclass(slots=True, eq=False)
class Siblings:
    """Sequences with the same tokens, which are read once for all of them."""

    sequences: list[Sequence]

    @property
    def tokens(self) -> list[int]:
        return self.sequences[0].tokens
