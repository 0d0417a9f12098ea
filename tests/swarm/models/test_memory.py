"""Memory by part, against llama.cpp's own buffers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.models.memory import IDLE_STATES, STREAMS, Shape, footprint, usual_cache

MIB = 1 << 20
WIDE = Shape(4, 8, cached_values=1024, vocabulary=4096, width=512, feed_forward=16_384)


@pytest.mark.parametrize(("cells", "mib"), [(2048, 102), (8192, 108), (32_768, 132)])
def test_the_scratch_buffer_is_the_one_that_llama_cpp_reserves(cells: int, mib: int) -> None:
    """Beside the logits' 8 MiB; the buffer as its log reported it for this shape."""
    taken = footprint(WIDE, 0, cells, rows=512).compute_bytes - 8 * MIB
    assert taken == pytest.approx(mib * MIB, rel=0.03)


def test_large_words_need_room_for_logits() -> None:
    words = Shape(4, 8, cached_values=1024, vocabulary=65_536, width=512, feed_forward=1536)
    taken = footprint(words, 0, 2048, rows=512).compute_bytes - 512 * 65_536 * 4
    assert taken == pytest.approx(130 * MIB, rel=0.01)


def test_a_smaller_type_makes_a_smaller_cache() -> None:
    whole, half = (footprint(WIDE, 0, 8192, kv_type=kind).cache_bytes for kind in ("f16", "q8_0"))
    assert whole == 8192 * 1024 * 2
    assert half == whole * 8.5 / 16


def test_recurrent_layers_keep_a_state_for_every_sequence() -> None:
    state = Shape(4, 8, cached_values=0, vocabulary=4096, state_values=1000)
    sequences = STREAMS + IDLE_STATES
    assert footprint(state, 0, 1).cache_bytes == pytest.approx(sequences * 4000, abs=10)


@given(st.integers(256, 1 << 20), st.integers(1, 1 << 20))
def test_the_usual_cache_never_exceeds_what_is_affordable(trained: int, affordable: int) -> None:
    cache = usual_cache(trained, affordable)
    assert cache.context_tokens <= min(trained, affordable)
    assert cache.context_tokens <= cache.cells <= max(affordable, cache.context_tokens)
