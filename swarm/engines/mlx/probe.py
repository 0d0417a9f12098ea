"""How many sequences of a network mlx-lm computes at once as it computes each alone: some of its
networks mix them up or fail. Found out by trying, with sequences of a few tokens."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx
import mlx_lm
import numpy as np
from mlx_lm.generate import BatchGenerator

from swarm.errors import ModelLoadFailed

logger = logging.getLogger(__name__)

NETWORK_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, LookupError)
"""What a network raises that mlx-lm, or a part of it, cannot compute as it is asked to."""

_PROMPTS = (6, 3, 5)
"""Tokens of the prompts, the last of which joins the others late."""

_STEPS = 4
"""This many tokens follow each prompt: the first ones beside one other sequence, then two."""

_TOLERANCE = 0.1
"""Logits may be off by this share of how much they differ among themselves. Half precision and
quantized weights come to a few hundredths of it; what another sequence or a padding has got into is
further off."""


@dataclass(slots=True, eq=False)
class _Forced:
    """A sequence whose every token is known, and the logits that were computed for it."""

    tokens: list[int]
    prompt_tokens: int
    logits: list[Any] = field(default_factory=list[Any])

    def hear(self, _tokens: Any, logits: Any) -> Any:
        self.logits.append(logits[0])
        return logits

    def choose(self, _logprobs: Any) -> Any:
        at = self.prompt_tokens + len(self.logits) - 1
        return mx.array(self.tokens[at : at + 1] or self.tokens[-1:], dtype=mx.uint32)


def most_at_once(network: Any, *, vocabulary: int, wanted: int, cuttable: bool) -> int:
    """`wanted`, or 1 where several at once would not be what each is alone.

    Raises ModelLoadFailed where not even one can be computed in a batch.
    """
    texts = [
        [(13 * at + 31 * text + 1) % vocabulary for at in range(length + _STEPS)]
        for text, length in enumerate(_PROMPTS)
    ]
    try:
        alone = [_batched(network, [[text]])[0] for text in texts]
    except NETWORK_ERRORS as error:
        message = f"this kind of model cannot be served by mlx-lm {mlx_lm.__version__}: {error}"
        raise ModelLoadFailed(message) from error
    # Padded running states are read one by one: see READING in engine.py.
    groups = [texts[:2], texts[2:]] if cuttable else [[text] for text in texts]
    wrong = _difference(network, groups, alone) if wanted > 1 else None
    if wrong is None:
        return wanted
    logger.warning(
        "this kind of model cannot be computed for several at once by mlx-lm %s (%s): "
        "answers are written one after the other",
        mlx_lm.__version__,
        wrong,
    )
    return 1


def _difference(
    network: Any, groups: Sequence[Sequence[list[int]]], alone: Sequence[_Forced]
) -> str | None:
    """What goes wrong where these groups of texts join a batch one after the other."""
    try:
        batch = _batched(network, groups)
        alike = [_alike(each, one) for each, one in zip(batch, alone, strict=True)]
    except NETWORK_ERRORS as error:
        return str(error)
    return None if all(alike) else "one changes what another says"


def _batched(network: Any, groups: Sequence[Sequence[list[int]]]) -> list[_Forced]:
    generator: Any = BatchGenerator(network)
    batch: list[_Forced] = []
    try:
        for group in groups:
            joining = [_Forced(text, len(text) - _STEPS) for text in group]
            generator.insert_segments(
                [
                    [each.tokens[: each.prompt_tokens - 1], [each.tokens[each.prompt_tokens - 1]]]
                    for each in joining
                ],
                samplers=[each.choose for each in joining],
                logits_processors=[[each.hear] for each in joining],
            )
            batch += joining
            for _ in range(2):  # they are read, and have their first logits
                generator.next()
        while any(len(each.logits) < _STEPS for each in batch):
            generator.next()
        return batch
    finally:
        generator.close()


def _alike(each: _Forced, alone: _Forced) -> bool:
    """By the median of the steps: in one of them a near tie of experts may be decided otherwise."""
    batched, expected = _heard(each), _heard(alone)
    finite = np.isfinite(expected)
    difference = np.where(finite, batched - np.where(finite, expected, 0), 0)
    off = np.sqrt(np.mean(difference**2, axis=-1))
    spread = np.std(expected, axis=-1, where=finite)
    return bool(np.median(off - _TOLERANCE * spread) <= 0)


def _heard(each: _Forced) -> Any:
    return np.array(mx.stack(each.logits[:_STEPS]).astype(mx.float32))
