"""Which quantisation of a card a machine is given."""

from dataclasses import replace

import pytest

from hardware.snapshot import Snapshot
from swarm.models.catalogue import load_catalogue
from swarm.models.explain import explain
from swarm.models.fit import plan_for
from swarm.models.releases import best_release, size_of
from tests.swarm.models.test_fit import CARD, GIB, PC, with_cards

CODER = next(card for card in load_catalogue() if card.id == "qwen2.5-coder:7b")


@pytest.mark.parametrize(
    ("snapshot", "kind", "quantisation"),
    [
        (with_cards(CARD), "cuda", "8bit"),
        (with_cards(replace(CARD, memory_free_bytes=9 * GIB)), "cuda", "6bit"),
        (PC, "cpu", "4bit"),
        (replace(PC, memory_available_bytes=int(6.3 * GIB)), "cpu", "3bit"),
    ],
)
def test_the_quantisation_is_chosen_by_fit(
    snapshot: Snapshot, kind: str, quantisation: str
) -> None:
    release, _ = best_release(CODER, "gguf", snapshot, kind)
    assert release.quantisation == quantisation


def test_a_card_without_a_shape_is_planned_by_its_weights() -> None:
    bare = replace(CODER, shape=None)
    plan = plan_for(size_of(bare, bare.of("gguf")[0]), PC, "cpu")
    assert any("not in these figures" in line for line in explain(plan))
