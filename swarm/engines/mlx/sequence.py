"""One request and its sequences on their way through mlx-lm's batches."""

from dataclasses import dataclass, field

from swarm.engines.mlx.sampler import Sampler
from swarm.engines.telling import Speech, Telling


@dataclass(slots=True, eq=False)
class Request:
    """A prompt on its way, and its sequences that are not finished."""

    id: int
    telling: Telling
    sequences: "list[Sequence]" = field(default_factory=list["Sequence"])
    kept: bool = False


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` are prompt and completion; `limit` bounds the completion."""

    request: Request
    tokens: list[int]
    sampler: Sampler
    speech: Speech
    limit: int

    @property
    def generated(self) -> int:
        return self.speech.tokens


@dataclass(slots=True, eq=False)
class Siblings:
    """Sequences with the same tokens, which are read once for all of them."""

    sequences: list[Sequence]

    @property
    def tokens(self) -> list[int]:
        return self.sequences[0].tokens
