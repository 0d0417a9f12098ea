"""How much memory sequences take in mlx-lm's caches, by their number and length. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

GROWTH_TOKENS = 256
"""mlx-lm's caches grow by this many tokens at a time."""


@dataclass(frozen=True, slots=True)
class LayerSize:
    """What a layer's cache takes: for each sequence, for each token up to the window."""

    fixed_bytes: int
    token_bytes: int
    window_tokens: int | None = None

    def sequence_bytes(self, tokens: int) -> int:
        held = tokens if self.window_tokens is None else min(tokens, self.window_tokens)
        return self.fixed_bytes + self.token_bytes * held


@dataclass(frozen=True, slots=True)
class Room:
    """The memory for caches, and what a sequence takes of it."""

    memory_bytes: int
    layers: tuple[LayerSize, ...]

    def sequence_bytes(self, tokens: int) -> int:
        return sum(layer.sequence_bytes(tokens) for layer in self.layers)

    def batch_bytes(self, lengths: Iterable[int]) -> int:
        """A batch is padded to its longest sequence, and that to whole steps of growth."""
        each = list(lengths)
        longest = -(-max(each, default=0) // GROWTH_TOKENS) * GROWTH_TOKENS
        return len(each) * self.sequence_bytes(longest)

    def has_room(self, lengths: Iterable[int]) -> bool:
        return self.batch_bytes(lengths) <= self.memory_bytes

    @property
    def longest_tokens(self) -> int:
        """Tokens that one sequence alone may have: as many as bytes where nothing grows."""
        least, beyond = 1, max(self.memory_bytes, 1) + 1
        while beyond - least > 1:
            middle = (least + beyond) // 2
            if self.sequence_bytes(middle) <= self.memory_bytes:
                least = middle
            else:
                beyond = middle
        return least


def layer_sizes(layers: Iterable[Any], *, tokens: int) -> tuple[LayerSize, ...]:
    """The sizes of mlx-lm's caches after that many tokens were computed with them."""
    return tuple(_layer_size(layer, tokens) for layer in each_layer(layers))


def _layer_size(layer: Any, tokens: int) -> LayerSize:
    keys, values = getattr(layer, "keys", None), getattr(layer, "values", None)
    if keys is None or values is None:  # a running state, of one size however long the text
        return LayerSize(layer.nbytes, 0)
    held = max(int(keys.shape[2]), tokens)
    return LayerSize(0, -(-int(layer.nbytes) // held), getattr(layer, "max_size", None))


def each_layer(layers: Iterable[Any]) -> Iterable[Any]:
    """The caches themselves, where some are lists of them."""
    for layer in layers:
        parts = getattr(layer, "caches", None)
        yield from each_layer(parts) if parts is not None else [layer]
