"""How much memory a model takes in a llama.cpp context, part by part. Pure.

The formulas are those of llama.cpp's own buffers; `bench/memory.py` holds them against real ones.
"""

from dataclasses import dataclass

BITS_PER_VALUE = {
    "f32": 32.0,
    "f16": 16.0,
    "bf16": 16.0,
    "q8_0": 8.5,
    "q5_1": 6.0,
    "q5_0": 5.5,
    "q4_1": 5.0,
    "q4_0": 4.5,
}
"""Size of one cached value by type, scales included (ggml's block formats)."""

CONTEXT_TOKENS = 32_768
"""Context of one sequence where the owner names none: what coding agents ask for."""

CELLS_AT_LEAST = 16_384
"""Cells of the cache where memory allows and the owner names no context: with a small one many
streams find room. The owner's context is the whole cache, for it is what memory goes to."""

BATCH_TOKENS = 512
"""Tokens of the largest batch that the engine computes: llama.cpp's own size of a physical one."""

STREAMS = 64
"""At most this many sequences generate at once: no more rows of logits are ever written."""

IDLE_STATES = 4
"""Recurrent states of ended conversations that are kept beside the running sequences' own: for
each the engine reserves a whole one."""

PROCESS_BYTES = 56 << 20
"""The engine's process before it loads anything: Python, numpy, the libraries."""

TOKEN_BYTES = 680
"""What a token of the vocabulary takes outside of the weights: its text, its merges, an index."""

_FLOAT = 4


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions that decide on memory beside the weights.

    `cached_values` are kept for each token over all layers, keys and values; `state_values` for
    each sequence, whatever its length (recurrent layers). Without flash attention the values of
    every layer are as wide as the widest's, by `padding_values` over all layers. `width` and
    `feed_forward` are 0 where they are not known: they matter for small vocabularies only.
    """

    layers: int
    heads: int
    cached_values: int
    vocabulary: int
    width: int = 0
    feed_forward: int = 0
    state_values: int = 0
    padding_values: int = 0

    def cell_bytes(self, kv_type: str, *, flash: bool = True) -> int:
        """What one token takes in the cache."""
        values = self.cached_values + (0 if flash else self.padding_values)
        return max(int(values * BITS_PER_VALUE[kv_type] / 8), 1)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory of a loaded model by its parts, in bytes."""

    weights_bytes: int
    cache_bytes: int
    compute_bytes: int
    process_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.cache_bytes + self.compute_bytes + self.process_bytes


@dataclass(frozen=True, slots=True)
class CacheSize:
    """Tokens that one sequence may have, and tokens that all of them may have together."""

    context_tokens: int
    cells: int


def usual_cache(trained_tokens: int, affordable_tokens: int) -> CacheSize:
    """The cache where the owner names no context."""
    context = min(trained_tokens, CONTEXT_TOKENS, affordable_tokens)
    return CacheSize(context, max(context, min(affordable_tokens, CELLS_AT_LEAST)))


def footprint(
    shape: Shape,
    weights_bytes: int,
    cells: int,
    *,
    kv_type: str = "f16",
    flash: bool = True,
    rows: int = STREAMS,
) -> Footprint:
    """What the engine takes for a model and a cache of that many cells.

    `rows` are the rows of logits that memory is really there for: on the machine itself those that
    are written, on an accelerator, which has no memory that is only promised, BATCH_TOKENS.
    """
    state = shape.state_values * (STREAMS + IDLE_STATES) * _FLOAT
    return Footprint(
        weights_bytes=weights_bytes,
        cache_bytes=cells * shape.cell_bytes(kv_type, flash=flash) + state,
        compute_bytes=_compute_bytes(shape, cells, flash=flash, rows=rows),
        process_bytes=PROCESS_BYTES + shape.vocabulary * TOKEN_BYTES,
    )


def scratch_bytes(shape: Shape, *, flash: bool) -> int:
    """What the scratch buffer of a batch needs for each cell: the mask, and without flash attention
    the scores of all heads.
    """
    return BATCH_TOKENS * (2 if flash else _FLOAT * (1 + shape.heads))


def _compute_bytes(shape: Shape, cells: int, *, flash: bool, rows: int) -> int:
    """The scratch buffer and the logits: the larger of the output's and of a layer's stage.

    A layer holds its inputs, three feed-forward rows and what goes with the cells.
    """
    logits = rows * _FLOAT * shape.vocabulary
    inputs = 2 * BATCH_TOKENS * _FLOAT * shape.width
    by_cells = cells * scratch_bytes(shape, flash=flash)
    layer = 3 * BATCH_TOKENS * _FLOAT * shape.feed_forward + by_cells
    return max(logits, layer) + inputs + logits
