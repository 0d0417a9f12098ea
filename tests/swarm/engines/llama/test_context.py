"""A step's products: a token computed beside others is the token computed alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.models import Shape, random_model
from swarm.engines.llama.bindings import Model, start_backend
from swarm.engines.llama.context import Context
from tests.swarm.engines.llama.options import options_for

UNEVEN = Shape("uneven", 2, 96, 224, 2, 1, vocabulary=515, context_tokens=256)
"""Rows of an odd number of Q8_0 blocks, a vocabulary that no tile divides: every remainder."""
SLOTS = 40


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    start_backend()
    path: Path = random_model(UNEVEN, folder=tmp_path_factory.mktemp("models"))
    model = Model(path, gpu_layers=0)
    context = Context(model, options_for(path, threads=2), cells=256, slots=SLOTS)
    yield context
    context.close()
    model.close()


def logits(context: Context, tokens: list[int]) -> Any:
    """Each token as the first of its own slot, all in one batch: [tokens, vocabulary]."""
    context.batch.clear()
    for slot, token in enumerate(tokens):
        context.clear(slot)
        context.batch.add([token], slot=slot, start=0, want_logits=True)
    context.decode()
    return np.stack([context.logits(row).copy() for row in range(len(tokens))])


@pytest.mark.parametrize("width", [2, 3, 4, 5, 7, 8, 9, 13, 31, 33, SLOTS])
def test_logits_do_not_depend_on_who_else_is_in_the_batch(context: Context, width: int):
    tokens = [5 + 3 * at for at in range(width)]
    alone = np.stack([logits(context, [token])[0] for token in tokens])
    together = logits(context, tokens)
    assert np.abs(alone).max() > 0.1
    np.testing.assert_allclose(together, alone, rtol=0, atol=2e-3 * np.abs(alone).max())
