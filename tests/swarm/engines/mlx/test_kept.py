from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.needs("mlx")


class Layer(SimpleNamespace):
    """As much of one of mlx-lm's caches as is looked at here."""

    nbytes = 100
    state: Any = ()

    def is_trimmable(self) -> bool:
        return self.cuttable

    def trim(self, count: int) -> int:
        self.held -= count
        return count


def layer(held: int, *, cuttable: bool = True) -> Any:
    return Layer(held=held, cuttable=cuttable)


@pytest.fixture
def kept() -> Any:
    from swarm.engines.mlx.kept import PromptCache

    return PromptCache()


def held(found: Any) -> tuple[int, int]:
    """What a beginning's caches hold, and the length that is said of them."""
    layers, length = found
    return layers[0].held, length


def test_the_longest_beginning_is_cut_to_fit_and_the_original_stays(kept):
    kept.keep([1, 2, 3, 4], [layer(4)])
    kept.keep([1, 9], [layer(2)])
    assert held(kept.beginning([1, 2, 3, 7, 8])) == (3, 3)
    assert held(kept.beginning([1, 2, 3, 4, 5])) == (4, 4)


def test_the_last_token_of_a_prompt_is_always_computed(kept):
    kept.keep([1, 2, 3], [layer(3)])
    assert held(kept.beginning([1, 2, 3])) == (2, 2)
    assert kept.beginning([1]) is None


def test_what_cannot_be_cut_serves_only_what_goes_on_from_its_end(kept):
    kept.keep([1, 2, 3], [layer(3, cuttable=False)])
    assert kept.beginning([1, 2, 9]) is None
    assert kept.beginning([1, 2, 3]) is None
    assert held(kept.beginning([1, 2, 3, 4])) == (3, 3)


def test_a_sequence_takes_the_place_of_its_own_beginning(kept):
    kept.keep([1, 2], [layer(2)])
    kept.keep([1, 2, 3], [layer(3)])
    assert kept.tokens == 3


def test_a_beginning_that_cannot_be_cut_out_of_the_longer_one_stays(kept):
    kept.keep([1, 2], [layer(2, cuttable=False)])
    kept.keep([1, 2, 3], [layer(3, cuttable=False)])
    kept.keep([1, 2, 3], [layer(3, cuttable=False)])
    assert kept.tokens == 5


def test_what_was_used_longest_ago_goes_first(kept):
    for start in (10, 20, 30):
        kept.keep([start, 1, 2], [layer(3)])
    kept.beginning([10, 1, 5])
    kept.shrink(200)
    assert kept.beginning([20, 1, 5]) is None
    assert kept.beginning([10, 1, 5]) is not None
