"""How one sequence picks its next token: bias and penalties on logits, then a seeded draw."""

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import mlx.core as mx
import numpy as np
from mlx_lm.sample_utils import (
    apply_min_p,
    apply_top_p,
    greedy_sampler,
    make_frequency_penalty,
    make_presence_penalty,
    make_repetition_penalty,
)

from swarm.engines.grammar import Bound
from swarm.engines.logprobs import logprob_of
from swarm.engines.mlx.vocabulary import Vocabulary
from swarm.engines.sampling import (
    PRESENCE_WINDOW,
    REPETITION_WINDOW,
    bias_of,
    seed_of,
    temperature_of,
)
from swarm.types import SamplingParams, TokenLogprob

Processor: TypeAlias = Callable[[Any, Any], Any]
"""Tokens so far and logits (1, vocabulary) to new logits, as mlx-lm calls it."""

LEAST_TOP_P = 1e-6
"""A smaller top_p counts as this: at 0 mlx-lm's filter leaves no token at all, and what is drawn is
noise."""

_SEED = 0xFFFF_FFFF


class Sampler:
    """One sequence's sampling, in mlx-lm's terms: `choose` and `processors`.

    `params` must be complete (`with_defaults`).
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        params: SamplingParams,
        *,
        prompt_tokens: int,
        index: int,
        bound: Bound | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._top_logprobs = params.top_logprobs
        self._rows: deque[Any] = deque()
        self._draw: Draw | None = None
        self.choose: Callable[[Any], Any] = greedy_sampler
        if temperature_of(params):
            seed = seed_of(params, index)
            self.choose = self._draw = Draw(params, seed=seed, vocabulary=vocabulary.size)
        self.processors: list[Processor] = [
            _exact,
            *([self._remember] if params.top_logprobs is not None else []),
            *_bias(params, vocabulary),
            *_penalties(params, prompt_tokens),
        ]
        self._held = Held(bound, prompt_tokens, vocabulary.size) if bound else None
        if self._held is not None:
            self.processors.append(self._held)

    @property
    def lost(self) -> bool:
        """Whether the grammar met a limit of its own: the sequence ends with the next token."""
        return self._held is not None and self._held.lost

    def rewind(self, drawn: int) -> None:
        """The sequence begins anew after that many tokens: what was computed ahead is forgotten."""
        self._rows.clear()
        if self._draw is not None:
            self._draw.drawn = drawn

    def logprob(self, token: int) -> TokenLogprob | None:
        """What the model itself thought of the token, before bias, penalties and temperature."""
        if self._top_logprobs is None:
            return None
        logits = np.array(self._rows.popleft())[0]
        return logprob_of(logits, token, top=self._top_logprobs, pieces=self._vocabulary)

    def _remember(self, _tokens: Any, logits: Any) -> Any:
        self._rows.append(mx.array(logits))  # a copy: mlx-lm's penalties write into what they get
        return logits


class Held:
    """The last processor of a sequence that is held to a grammar: it leaves what may come next.

    The token before must be known by then, so such a step is not computed ahead of it.
    """

    def __init__(self, bound: Bound, prompt_tokens: int, vocabulary: int) -> None:
        self._bound = bound
        self._followed = prompt_tokens
        self._vocabulary = vocabulary

    @property
    def lost(self) -> bool:
        return self._bound.lost

    def __call__(self, tokens: Any, logits: Any) -> Any:
        for token in tokens[self._followed :].tolist():
            self._bound.accept(token)
        self._followed = len(tokens)
        if self._bound.only_end is None:
            return mx.where(mx.array(self._bound.allowed()), logits, -mx.inf)
        end = mx.arange(self._vocabulary) == self._bound.only_end
        return mx.where(end, mx.zeros_like(logits), -mx.inf)


class Draw:
    """Draws from the filtered distribution, in llama.cpp's order of filters.

    The n-th draw of a seed is the same whoever else is in the batch.
    """

    def __init__(self, params: SamplingParams, *, seed: int, vocabulary: int) -> None:
        self._seed = seed & _SEED
        self._temperature = params.temperature or 1.0
        self._top_k = params.top_k if params.top_k and 0 < params.top_k < vocabulary else None
        self._typical_p = params.typical_p
        self._top_p = params.top_p
        self._min_p = params.min_p
        self.drawn = 0

    def __call__(self, logprobs: Any) -> Any:
        """A token id (1,) for log probabilities (1, vocabulary)."""
        ids = None
        if self._top_k is not None:  # first, so that nothing below sorts a whole vocabulary
            ids = mx.argpartition(-logprobs, kth=self._top_k - 1, axis=-1)[..., : self._top_k]
            logprobs = mx.take_along_axis(logprobs, ids, axis=-1)
        if self._typical_p is not None and self._typical_p < 1:
            logprobs = typical(logprobs, self._typical_p)
        if self._top_p is not None and self._top_p < 1:
            logprobs = apply_top_p(logprobs, max(self._top_p, LEAST_TOP_P))
        if self._min_p:
            logprobs = apply_min_p(logprobs, self._min_p)
        key = mx.random.key(self._seed << 32 | self.drawn & _SEED)
        self.drawn += 1
        drawn = mx.random.categorical(logprobs / self._temperature, key=key)
        return drawn if ids is None else mx.take_along_axis(ids, drawn[:, None], axis=-1)[:, 0]


def typical(logprobs: Any, typical_p: float) -> Any:
    """Keep the tokens whose surprise is nearest the expected one, up to that much probability.

    Meister and others, Locally Typical Sampling (2022).
    """
    logprobs = logprobs - mx.logsumexp(logprobs, axis=-1, keepdims=True)
    probabilities = mx.exp(logprobs)
    surprise = mx.where(probabilities > 0, -logprobs, 0)
    entropy = mx.sum(probabilities * surprise, axis=-1, keepdims=True)
    order = mx.argsort(mx.where(probabilities > 0, mx.abs(surprise - entropy), mx.inf), axis=-1)
    ordered = mx.take_along_axis(probabilities, order, axis=-1)
    before = mx.cumsum(ordered, axis=-1) - ordered
    kept = mx.put_along_axis(mx.zeros_like(logprobs), order, before < typical_p, axis=-1)
    return mx.where(kept > 0, logprobs, -mx.inf)


def _exact(_tokens: Any, logits: Any) -> Any:
    """In half precision sums of many small probabilities stand still, and filters meet ties."""
    return logits.astype(mx.float32)


def _bias(params: SamplingParams, vocabulary: Vocabulary) -> list[Processor]:
    bias = bias_of(params, lambda: vocabulary.end_tokens)
    if not bias:
        return []
    ids, values = mx.array(list(bias)), mx.array(list(bias.values()))
    return [lambda _tokens, logits: logits.at[:, ids].add(values)]


def _penalties(params: SamplingParams, prompt_tokens: int) -> list[Processor]:
    """The repetition penalty sees the prompt too, the others only what was generated."""
    found: list[Processor] = []
    if params.repetition_penalty not in (None, 1.0):
        found.append(make_repetition_penalty(params.repetition_penalty, REPETITION_WINDOW))
    for penalty, make in (
        (params.frequency_penalty, make_frequency_penalty),
        (params.presence_penalty, make_presence_penalty),
    ):
        if penalty:
            found.append(_of_generated(make(penalty, PRESENCE_WINDOW), prompt_tokens))
    return found


def _of_generated(processor: Processor, prompt_tokens: int) -> Processor:
    return lambda tokens, logits: processor(tokens[prompt_tokens:], logits)
