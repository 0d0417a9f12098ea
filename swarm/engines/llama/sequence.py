"""One sequence of one request: its tokens, its place in the cache, its text so far."""

from array import array
from dataclasses import dataclass, field

from swarm.engines.base import Event
from swarm.engines.llama.sampler import Sampler
from swarm.engines.llama.slots import Slot
from swarm.engines.text import TextStream
from swarm.types import Prompt, TokenLogprob


@dataclass(slots=True, eq=False)
class Request:
    """A prompt on its way: its sequences that are not finished, and events not yet sent.

    `shown` are control tokens that its answers show.
    """

    id: int
    prompt: Prompt
    prompt_tokens: "array[int]"
    sequences: "list[Sequence]" = field(default_factory=list["Sequence"])
    events: list[Event] = field(default_factory=list[Event])
    shown: frozenset[int] = frozenset()
    started: bool = False
    cached_tokens: int = 0
    prefill_began: float | None = None
    decode_began: float | None = None


@dataclass(slots=True, eq=False)
class Sequence:
    """`tokens` are prompt and completion; those after `slot.computed` wait to be computed.

    A sequence without a slot waits; one that lost its slot to others computes all anew. The first
    `shared` tokens are in cells of a sequence that ran when this one got its slot.
    """

    request: Request
    index: int
    tokens: "array[int]"
    sampler: Sampler
    text: TextStream
    limit: int
    slot: Slot | None = None
    shared: int = 0
    logprobs: list[TokenLogprob] = field(default_factory=list[TokenLogprob])
    shown_tokens: int = 0

    @property
    def generated(self) -> int:
        return len(self.tokens) - len(self.request.prompt_tokens)

    @property
    def pending(self) -> int:
        """Tokens known but not computed: the whole prompt at first, one while decoding."""
        return len(self.tokens) - (self.slot.computed if self.slot else 0)

    @property
    def decoding(self) -> bool:
        return self.slot is not None and self.pending == 1 and self.generated > 0
