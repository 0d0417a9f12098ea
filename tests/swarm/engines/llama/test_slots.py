from hypothesis import given
from hypothesis import strategies as st

from swarm.engines.llama.slots import Slot, SlotTable
from swarm.engines.tokens import common_prefix, token_array

TOKENS = st.lists(st.integers(0, 3), max_size=12)


@given(TOKENS, TOKENS)
def test_the_common_prefix_is_the_longest_one(a, b):
    length = common_prefix(token_array(a), token_array(b))
    assert a[:length] == b[:length]
    assert length in (len(a), len(b)) or a[length] != b[length]


def all_intact(_slot: int, _length: int) -> bool:
    return True


def filled(table: SlotTable, tokens: list[int], *, rest: bool = True) -> Slot:
    slot = table.take_free()
    assert slot
    slot.tokens, slot.computed = token_array(tokens), len(tokens)
    if rest:
        table.rest(slot)
    return slot


def test_a_prompt_finds_the_slot_that_shares_most_of_it():
    table = SlotTable(4, all_intact)
    filled(table, [1, 2, 9])
    best = filled(table, [1, 2, 3, 4])
    match = table.match(token_array([1, 2, 3, 7]), cuttable=True)
    assert match
    assert (match.slot, match.length) == (best, 3)


def test_only_what_is_computed_can_be_shared():
    table = SlotTable(2, all_intact)
    slot = filled(table, [1, 2, 3, 4], rest=False)
    slot.computed = 2
    match = table.match(token_array([1, 2, 3, 4]), cuttable=True)
    assert match
    assert match.length == 2
    assert table.promised(token_array([1, 2, 3, 4, 5])) == 4


def test_the_last_token_of_a_prompt_is_always_computed_for_its_logits():
    table = SlotTable(2, all_intact)
    filled(table, [1, 2, 3, 4], rest=False)
    match = table.match(token_array([1, 2, 3]), cuttable=True)
    assert match
    assert match.length == 2
    assert table.promised(token_array([1, 2, 3])) == 2


def test_a_slot_that_has_lost_what_the_next_token_looks_at_is_passed_over():
    table = SlotTable(4, lambda slot, length: (slot, length) != (lossy.id, 3))
    lossy = filled(table, [1, 2, 3, 4, 5], rest=False)
    shorter = filled(table, [1, 2], rest=False)
    branch = token_array([1, 2, 3, 9])
    match = table.match(branch, cuttable=True)
    assert match
    assert (match.slot, match.length) == (shorter, 2)
    assert table.promised(branch) == 2
    whole = table.match(token_array([1, 2, 3, 4, 5, 6]), cuttable=True)
    assert whole
    assert (whole.slot, whole.length) == (lossy, 5)


def test_a_memory_that_cannot_be_cut_is_only_continued_as_a_whole():
    table = SlotTable(4, all_intact)
    filled(table, [1, 2, 3])
    assert table.match(token_array([1, 2, 9]), cuttable=False) is None
    match = table.match(token_array([1, 2, 3, 9]), cuttable=False)
    assert match
    assert match.length == 3


def test_a_busy_slot_that_cannot_be_cut_is_not_shared():
    table = SlotTable(4, all_intact)
    filled(table, [1, 2, 3], rest=False)
    assert table.match(token_array([1, 2, 3, 9]), cuttable=False) is None


def test_idle_slots_come_least_recently_used_first():
    table = SlotTable(4, all_intact)
    first, second, third = (filled(table, [n]) for n in range(3))
    table.take(first)
    table.rest(first)
    assert table.idle == [second, third, first]


def test_a_full_table_gives_no_slot_and_a_forgotten_one_comes_back_empty():
    table = SlotTable(1, all_intact)
    slot = filled(table, [1, 2])
    assert table.take_free() is None
    table.forget(slot)
    again = table.take_free()
    assert again is slot
    assert (len(slot.tokens), slot.computed) == (0, 0)


def test_an_ended_sequence_leaves_only_what_was_computed():
    table = SlotTable(1, all_intact)
    slot = filled(table, [1, 2, 3], rest=False)
    slot.computed = 2
    table.rest(slot)
    assert list(slot.tokens) == [1, 2]
    assert table.cells() == 2
