"""Which slot of the key-value cache holds which tokens: the prefix cache, without any I/O.

A slot is a sequence id of the cache. A busy slot belongs to a running sequence, an idle one
keeps what an ended sequence left, for a later prompt that begins alike. Idle slots go in the
order of their last use when room is needed.
"""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

from swarm.engines.tokens import common_prefix, token_array


@dataclass(slots=True, eq=False)
class Slot:
    """`tokens` are those of its sequence, of which the first `computed` are in the cache."""

    id: int
    tokens: "array[int]" = field(default_factory=token_array)
    computed: int = 0
    busy: bool = False
    last_used: int = 0


@dataclass(frozen=True, slots=True)
class Match:
    """The longest beginning of a prompt that a slot holds, or will hold once it is computed."""

    slot: Slot
    length: int


Intact = Callable[[int, int], bool]
"""Whether the slot of this id can be continued behind that many of its tokens."""


class SlotTable:
    """All slots of one cache; bounded by llama.cpp's own number of sequence ids."""

    def __init__(self, count: int, intact: Intact) -> None:
        self._intact = intact
        self._free = [Slot(i) for i in reversed(range(count))]
        self._held: list[Slot] = []
        self._clock = 0

    @property
    def idle(self) -> list[Slot]:
        """Idle slots, least recently used first."""
        return sorted((s for s in self._held if not s.busy), key=lambda s: s.last_used)

    def cells(self) -> int:
        """Cells that all slots hold, shared ones counted again for each: an upper bound."""
        return sum(slot.computed for slot in self._held)

    def match(self, tokens: "array[int]", *, cuttable: bool) -> Match | None:
        """The slot with the longest computed beginning of `tokens` that can be gone on from.

        A token is left whose computation gives logits. Where the memory cannot be cut only a slot
        whose whole content is a beginning counts.
        """
        best: Match | None = None
        for slot in self._held:
            length = min(_beginning(slot, tokens), slot.computed)
            if not cuttable and (slot.busy or length < slot.computed):
                continue
            if length > (best.length if best else 0) and self._intact(slot.id, length):
                best = Match(slot, length)
        return best

    def keeps(self, tokens: "array[int]") -> bool:
        """Whether an idle slot holds just these tokens."""
        return any(slot.tokens == tokens for slot in self._held if not slot.busy)

    def promised(self, tokens: "array[int]") -> int:
        """The longest beginning of `tokens` that some busy slot holds or is about to compute."""
        busy = ((slot.id, _beginning(slot, tokens)) for slot in self._held if slot.busy)
        return max((length for slot, length in busy if self._intact(slot, length)), default=0)

    def take_free(self) -> Slot | None:
        """An empty slot, busy from now on; None if all are held."""
        if not self._free:
            return None
        slot = self._free.pop()
        self._held.append(slot)
        self.take(slot)
        return slot

    def take(self, slot: Slot) -> None:
        """Make a held slot busy."""
        slot.busy = True
        self._touch(slot)

    def rest(self, slot: Slot) -> None:
        """Its sequence has ended; what it computed stays for others."""
        del slot.tokens[slot.computed :]
        slot.busy = False
        self._touch(slot)

    def forget(self, slot: Slot) -> None:
        """Empty a slot; the caller clears its cells."""
        self._held.remove(slot)
        slot.tokens, slot.computed, slot.busy = token_array(), 0, False
        self._free.append(slot)

    def _touch(self, slot: Slot) -> None:
        self._clock += 1
        slot.last_used = self._clock


def _beginning(slot: Slot, tokens: "array[int]") -> int:
    """How much of `tokens` but their last, which is always computed, a slot's tokens begin with."""
    return min(common_prefix(slot.tokens, tokens), len(tokens) - 1)
