"""One sequence of one request: its tokens, its place in the cache, what it has said."""

from array import array
from dataclasses import dataclass, field

from swarm.engines.llama.sampler import Sampler
from swarm.engines.llama.slots import Slot
from swarm.engines.telling import Speech, Telling


@dataclass(slots=True, eq=False)
class Request:
    """A prompt on its way, and its sequences that are not finished."""

    id: int
    prompt_tokens: "array[int]"
    telling: Telling
    sequences: "list[Sequence]" = field(default_factory=list["Sequence"])


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` are prompt and completion; those after `slot.computed` wait to be computed.

    A sequence without a slot waits; one that lost its slot to others computes all anew. The first
    `shared` tokens are in cells of a sequence that ran when this one got its slot.
    """

    request: Request
    tokens: "array[int]"
    sampler: Sampler
    speech: Speech
    limit: int
    slot: Slot | None = None
    shared: int = 0

    @property
    def generated(self) -> int:
        return self.speech.tokens

    @property
    def pending(self) -> int:
        """Tokens known but not computed: the whole prompt at first, one while decoding."""
        return len(self.tokens) - (self.slot.computed if self.slot else 0)

    @property
    def decoding(self) -> bool:
        return self.slot is not None and self.pending == 1 and self.generated > 0
