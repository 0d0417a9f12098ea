"""What memory models may take."""

from dataclasses import replace

import pytest

from hardware.snapshot import Accelerator, Snapshot
from swarm.models.fit import Room, fitting_layers, room_for_models

GIB = 1 << 30
CARD = Accelerator("cuda", "Card", 24 * GIB, 20 * GIB)
MAC = Accelerator("metal", "Chip", 16 * GIB, 10 * GIB, unified=True)
PLAIN = Snapshot("linux", "A Processor", 4, 4, frozenset(), 64 * GIB, 50 * GIB)


def test_an_accelerator_counts_where_the_engine_can_use_it() -> None:
    with_card = replace(PLAIN, accelerators=(CARD,))
    assert room_for_models(with_card, "cuda") == Room(50 * GIB, 20 * GIB)
    assert room_for_models(with_card, "cpu") == Room(50 * GIB)
    assert room_for_models(replace(PLAIN, accelerators=(MAC,)), "metal") == Room(50 * GIB)


def test_a_model_is_chosen_for_the_memory_that_it_will_live_in() -> None:
    assert Room(50 * GIB).weights_bytes == 35 * GIB
    assert Room(50 * GIB, 20 * GIB).weights_bytes == 19.5 * GIB


def test_the_cache_gets_half_of_what_the_weights_leave() -> None:
    assert Room(10 * GIB).cache_bytes(4 * GIB) == 3 * GIB
    assert Room(10 * GIB).cache_bytes(4 * GIB, models=3) == 1 * GIB
    assert Room(50 * GIB, 8 * GIB).cache_bytes(4 * GIB) == 2 * GIB
    assert Room(20 * GIB, 8 * GIB).cache_bytes(16 * GIB) == 2 * GIB
    assert Room(1 * GIB).cache_bytes(4 * GIB) == 256 << 20


@pytest.mark.parametrize(("device", "layers"), [(40, None), (11, None), (6, 17), (0.4, 0)])
def test_as_many_layers_as_fit_are_offloaded(device: float, layers: int | None) -> None:
    found = fitting_layers(
        31, model_bytes=8 * GIB, cache_bytes=2 * GIB, device_bytes=int(device * GIB)
    )
    assert found == layers
