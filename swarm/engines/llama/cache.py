"""The prefix cache at work: slots of the table and cells of the context, kept in step."""

from array import array

from swarm.engines.llama.context import Context
from swarm.engines.llama.sequence import Sequence
from swarm.engines.llama.slots import Match, Slot, SlotTable

WORTH_WAITING_TOKENS = 32
"""A prompt waits for a running one to compute their shared beginning if it is at least this long.
"""

GROWTH_TOKENS = 64
"""Cells that admission leaves free for each sequence that already runs."""


class Cache:
    """Gives sequences slots that already hold as much of their tokens as possible."""

    def __init__(self, context: Context, slots: int, *, cuttable: bool) -> None:
        self._context = context
        self._table = SlotTable(slots, context.intact)
        self._cuttable = cuttable
        self._busy = 0

    def cells(self) -> int:
        return self._table.cells()

    def worth_waiting_for(self, sequence: Sequence) -> bool:
        """Whether a running sequence will soon have computed more of these tokens than is there.

        Only where the memory can be cut: elsewhere a running state is of no use to others.
        """
        if not self._cuttable or not self._busy:
            return False
        match = self._table.match(sequence.tokens, cuttable=True)
        ready = match.length if match else 0
        return self._table.promised(sequence.tokens) - ready >= WORTH_WAITING_TOKENS

    def place(self, sequence: Sequence, *, used_cells: int) -> bool:
        """Give a sequence a slot with the longest beginning that can be had; False: no room.

        `used_cells` is what the running sequences hold, what they share counted once: an estimate,
        for llama.cpp itself says what does not fit.
        """
        match = self._table.match(sequence.tokens, cuttable=self._cuttable)
        length = match.length if match else 0
        shared = length if match and match.slot.busy else 0
        reserved = used_cells + self._busy * GROWTH_TOKENS
        if self._busy and reserved + len(sequence.tokens) - shared > self._context.cells:
            return False
        slot = self._reuse(match, length) if match and length else None
        slot = slot or self.reserve()
        if slot is None:
            return False
        self._give(sequence, slot, shared=min(shared, slot.computed))
        return True

    def fork(self, parent: Sequence, child: Sequence) -> bool:
        """Let `child` begin where `parent`, which has just read its prompt, stands."""
        slot = self.reserve()
        if slot is None or parent.slot is None:
            return False
        length = parent.slot.computed
        self._context.copy(parent.slot.id, slot.id, length)
        slot.tokens, slot.computed = parent.slot.tokens[:length], length
        self._give(child, slot, shared=length)
        return True

    def keep(self, sequence: Sequence) -> None:
        """Keep the state after a prompt that was just read, where the memory cannot be cut.

        The next turn may go on with an answer that no sequence here has given, a peer's for
        instance; a memory that can be cut needs nothing kept for that.
        """
        if self._cuttable or sequence.slot is None:
            return
        length = sequence.slot.computed
        tokens = sequence.slot.tokens[:length]
        if self._table.keeps(tokens) or (slot := self.reserve()) is None:
            return
        self._context.copy(sequence.slot.id, slot.id, length)
        slot.tokens, slot.computed = tokens, length
        self._table.rest(slot)

    def reserve(self) -> Slot | None:
        """An empty slot, if need be the one that was idle longest."""
        slot = self._table.take_free()
        if slot is None and self.evict():
            slot = self._table.take_free()
        return slot

    def evict(self) -> bool:
        """Forget the slot that has been idle longest; False if none is."""
        idle = self._table.idle
        if idle:
            self.drop(idle[0])
        return bool(idle)

    def drop(self, slot: Slot) -> None:
        self._context.clear(slot.id)
        self._table.forget(slot)

    def release(self, sequence: Sequence) -> None:
        """The sequence has ended; its tokens stay for prompts that begin with them."""
        slot = self._take_back(sequence)
        if slot.computed:
            self._table.rest(slot)
        else:
            self.drop(slot)

    def lose(self, sequence: Sequence) -> None:
        """Take the slot of a sequence that must wait; all of it will be computed anew."""
        self.drop(self._take_back(sequence))

    def _reuse(self, match: Match, length: int) -> Slot | None:
        """The matching slot itself where nothing of it is lost by that, else one that shares it."""
        source = match.slot
        if not source.busy and length == source.computed:
            self._table.take(source)
            return source
        if length < source.computed and not self._cuttable:
            return None
        target = self._table.take_free()
        if target is None and not source.busy:
            return self._cut(source, length)
        target = target or self.reserve()
        if target is None:
            return None
        self._context.copy(source.id, target.id, length)
        target.tokens, target.computed = source.tokens[:length], length
        return target

    def _cut(self, source: Slot, length: int) -> Slot | None:
        """Take an idle slot over and forget its end; None where that cannot be."""
        if source.busy or not self._context.truncate(source.id, length):
            return None
        source.computed = length
        self._table.take(source)
        return source

    def _give(self, sequence: Sequence, slot: Slot, *, shared: int) -> None:
        sequence.shared = shared
        slot.tokens = sequence.tokens  # one array: what the sequence appends the slot knows
        sequence.slot = slot
        self._busy += 1

    def _take_back(self, sequence: Sequence) -> Slot:
        slot, sequence.slot = sequence.slot, None
        if slot is None:
            raise ValueError("a sequence without a slot has nothing to give back")
        slot.tokens = array("i", slot.tokens)
        self._busy -= 1
        return slot
