from types import SimpleNamespace
from typing import Any

from swarm.engines.mlx.room import LayerSize, Room, layer_sizes


def keyed(tokens: int, **more: Any) -> Any:
    array = SimpleNamespace(shape=(1, 4, tokens, 8))
    return SimpleNamespace(keys=array, values=array, nbytes=tokens * 128, **more)


def test_a_layer_says_what_a_token_takes_by_what_it_holds():
    assert layer_sizes([keyed(256)], tokens=1) == (LayerSize(0, 128),)


def test_a_window_is_never_longer_than_itself():
    [layer] = layer_sizes([keyed(256, max_size=100)], tokens=1)
    assert layer.sequence_bytes(50) == 50 * 128
    assert layer.sequence_bytes(5_000) == 100 * 128


def test_a_running_state_has_one_size():
    state = SimpleNamespace(cache=[1, 2], nbytes=4_000)
    nested = SimpleNamespace(caches=(state, keyed(256)))
    assert layer_sizes([nested], tokens=1) == (LayerSize(4_000, 0), LayerSize(0, 128))


def test_a_batch_is_as_long_as_its_longest_in_whole_steps():
    room = Room(1_000, (LayerSize(0, 1),))
    assert room.batch_bytes([10, 300]) == 2 * 512
    assert room.batch_bytes([]) == 0
    assert room.has_room([10, 200])
    assert not room.has_room([10, 300])


def test_one_sequence_alone_may_fill_the_memory():
    assert Room(1_000, (LayerSize(100, 3), LayerSize(0, 6))).longest_tokens == 100


def test_a_window_that_is_full_takes_no_more_of_a_long_sequence():
    room = Room(1_000, (LayerSize(0, 2), LayerSize(0, 8, window_tokens=50)))
    assert room.longest_tokens == 300
    assert Room(100, room.layers).longest_tokens == 10


def test_a_sequence_may_be_as_long_as_anybody_wants_where_nothing_grows():
    assert Room(1_000, (LayerSize(500, 0),)).longest_tokens == 1_000
    assert Room(1_000, (LayerSize(2_000, 0),)).longest_tokens == 1
