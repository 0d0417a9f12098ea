"""Sampling by itself, on logits that a test writes."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from swarm.engines.sampling import with_defaults
from swarm.types import SamplingParams

pytestmark = pytest.mark.needs("mlx")

TOKENS = 1000


def likely(params: SamplingParams, logits: Any) -> set[int]:
    """The tokens that were drawn, of many draws."""
    import mlx.core as mx

    from swarm.engines.mlx.sampler import Sampler

    vocabulary: Any = SimpleNamespace(size=TOKENS, end_tokens=frozenset())
    sampler = Sampler(vocabulary, with_defaults(params, {}), prompt_tokens=0, index=0)
    logits = logits[None]
    for processor in sampler.processors:
        logits = processor(mx.array([], dtype=mx.uint32), logits)
    logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    return {int(token) for token in mx.concatenate([sampler.choose(logprobs) for _ in range(300)])}


FREE = SamplingParams(temperature=1, top_k=0, top_p=1, min_p=0, typical_p=1, seed=3)


def test_logits_in_half_precision_are_filtered_as_exactly_as_others():
    import mlx.core as mx

    # 600 tokens that have 0.92 of the probability between them, and surprise as expected.
    logits = mx.where(mx.arange(TOKENS) < 600, 8.0, 6.0).astype(mx.bfloat16)
    drawn = likely(replace(FREE, typical_p=0.9), logits)
    assert max(drawn) < 600
    assert len(drawn) > 100
