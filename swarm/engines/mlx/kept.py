"""The prompt cache: what ended sequences have computed, for prompts that begin alike."""

import copy
from array import array
from collections.abc import Sequence as Tokens
from dataclasses import dataclass
from typing import Any, TypeAlias

import mlx.core as mx
from mlx_lm.models.cache import can_trim_prompt_cache, trim_prompt_cache

from swarm.engines.mlx.room import each_layer
from swarm.engines.tokens import common_prefix, token_array

Layers: TypeAlias = list[Any]
"""One of mlx-lm's caches for each layer of a model."""


def stays_cuttable(layers: Layers) -> bool:
    """Whether whatever continues these caches can be cut back to them: a full window cannot."""
    windows = (getattr(layer, "max_size", None) for layer in each_layer(layers))
    return can_trim_prompt_cache(layers) and all(window is None for window in windows)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """The caches of one ended sequence and the tokens that they hold."""

    tokens: "array[int]"
    layers: Layers
    size_bytes: int

    def serves(self, tokens: "array[int]") -> int:
        """How many tokens of a prompt, never the last, these caches can spare it."""
        length = min(common_prefix(self.tokens, tokens), len(tokens) - 1)
        if length == len(self.tokens) or can_trim_prompt_cache(self.layers):
            return length
        return 0


class PromptCache:
    """Ended sequences, least recently used first; whoever owns it says how much they may take."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []

    @property
    def tokens(self) -> int:
        return sum(len(kept.tokens) for kept in self._kept)

    def beginning(self, tokens: Tokens[int]) -> tuple[Layers, int] | None:
        """A copy of the longest beginning of a prompt that is here, and its length."""
        wanted = token_array(tokens)
        best = max(self._kept, key=lambda kept: kept.serves(wanted), default=None)
        length = best.serves(wanted) if best else 0
        if best is None or not length:
            return None
        self._kept.remove(best)
        self._kept.append(best)
        layers = copy.deepcopy(best.layers)
        if length < len(best.tokens):
            trim_prompt_cache(layers, len(best.tokens) - length)
        return layers, length

    def keep(self, tokens: Tokens[int], layers: Layers) -> None:
        """Remember a sequence; what it merely continues is forgotten."""
        size_bytes = sum(layer.nbytes for layer in layers)
        new = Kept(token_array(tokens), layers, size_bytes)
        mx.eval([layer.state for layer in layers])  # or it would hold on to its whole batch
        cuttable = can_trim_prompt_cache(layers)
        self._kept = [
            kept
            for kept in self._kept
            if common_prefix(kept.tokens, new.tokens) < len(kept.tokens)
            or not (cuttable or len(kept.tokens) == len(new.tokens))
        ]
        self._kept.append(new)

    def shrink(self, most_bytes: int) -> None:
        """Forget what was used longest ago until the rest takes no more than that."""
        while self._kept and sum(kept.size_bytes for kept in self._kept) > most_bytes:
            del self._kept[0]
