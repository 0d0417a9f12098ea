"""How one sequence picks its next token: a chain of llama.cpp's samplers."""

from collections.abc import Sequence as Tokens
from typing import Any

import llama_cpp
import numpy as np

from swarm.engines.grammar import Allowed, Bound
from swarm.engines.llama.bindings import Vocabulary
from swarm.engines.llama.context import Context
from swarm.engines.logprobs import logprob_of
from swarm.engines.sampling import (
    PRESENCE_WINDOW,
    REPETITION_WINDOW,
    bias_of,
    seed_of,
    temperature_of,
)
from swarm.types import SamplingParams, TokenLogprob


class OutOfGrammar(Exception):
    """A grammar met a limit of its own: the sequence cannot go on. A signal, like NoRoom."""


class Sampler:
    """The state of one sequence's sampling. `params` must be complete (`with_defaults`)."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        params: SamplingParams,
        *,
        prompt: Tokens[int],
        index: int,
        bound: Bound | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._bound = bound
        self._top_logprobs = params.top_logprobs
        self.seed = seed_of(params, index)
        self._chain: Any = llama_cpp.llama_sampler_chain_init(
            llama_cpp.llama_sampler_chain_default_params()
        )
        self._add_bias(params)
        self._add_penalties(params, prompt)
        self._add_choice(params)

    def close(self) -> None:
        """Free the native chain; the sampler is of no use afterwards."""
        if self._chain:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None

    def sample(self, context: Context, row: int) -> int:
        """Pick a token from a row of the last batch and remember it.

        Raises OutOfGrammar where the grammar has grown too large to go on.
        """
        bound = self._bound
        if bound is None:
            return llama_cpp.llama_sampler_sample(self._chain, context.handle, row)
        if bound.only_end is not None:
            return bound.only_end
        token = self._sample_allowed(context, row, bound.allowed())
        bound.accept(token)
        if bound.lost:
            raise OutOfGrammar
        return token

    def _sample_allowed(self, context: Context, row: int, allowed: Allowed) -> int:
        logits = context.logits(row)
        kept = None if self._top_logprobs is None else logits.copy()
        np.copyto(logits, -np.inf, where=~allowed)
        token = llama_cpp.llama_sampler_sample(self._chain, context.handle, row)
        if kept is not None:
            logits[:] = kept
        return token

    def logprob(self, context: Context, row: int, token: int) -> TokenLogprob | None:
        """What the model itself thought of the token, before bias, penalties and temperature."""
        if self._top_logprobs is None:
            return None
        logits, top = context.logits(row), self._top_logprobs
        return logprob_of(logits, token, top=top, pieces=self._vocabulary)

    def _add(self, sampler: Any) -> None:
        llama_cpp.llama_sampler_chain_add(self._chain, sampler)

    def _add_bias(self, params: SamplingParams) -> None:
        bias = bias_of(params, lambda: self._vocabulary.end_tokens)
        if bias:
            entries = (llama_cpp.llama_logit_bias * len(bias))(*bias.items())
            size = self._vocabulary.size
            self._add(llama_cpp.llama_sampler_init_logit_bias(size, len(bias), entries))

    def _add_penalties(self, params: SamplingParams, prompt: Tokens[int]) -> None:
        if params.repetition_penalty not in (None, 1.0):
            repetition = llama_cpp.llama_sampler_init_penalties(
                self._vocabulary.size, REPETITION_WINDOW, params.repetition_penalty, 0.0, 0.0
            )
            for token in prompt[-REPETITION_WINDOW:]:
                llama_cpp.llama_sampler_accept(repetition, token)
            self._add(repetition)
        if params.frequency_penalty or params.presence_penalty:
            self._add(
                llama_cpp.llama_sampler_init_penalties(
                    self._vocabulary.size,
                    PRESENCE_WINDOW,
                    1.0,
                    params.frequency_penalty,
                    params.presence_penalty,
                )
            )

    def _add_choice(self, params: SamplingParams) -> None:
        temperature = temperature_of(params)
        if not temperature:
            self._add(llama_cpp.llama_sampler_init_greedy())
            return
        if params.top_k:
            self._add(llama_cpp.llama_sampler_init_top_k(params.top_k))
        if params.typical_p is not None and params.typical_p < 1:
            self._add(llama_cpp.llama_sampler_init_typical(params.typical_p, 1))
        if params.top_p is not None and params.top_p < 1:
            self._add(llama_cpp.llama_sampler_init_top_p(params.top_p, 1))
        if params.min_p:
            self._add(llama_cpp.llama_sampler_init_min_p(params.min_p, 1))
        self._add(llama_cpp.llama_sampler_init_temp(temperature))
        self._add(llama_cpp.llama_sampler_init_dist(self.seed))
