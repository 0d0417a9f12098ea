"""What the owner may say of an MLX engine; None leaves the choice to the engine."""

from dataclasses import dataclass
from pathlib import Path

SEQUENCES = 32
"""Sequences that generate at once at most: mlx-lm's own size of a batch."""

CHUNK_TOKENS = 2048
"""Prompt tokens that one step reads at most: mlx-lm's own size of a chunk."""

PAUSE_S = 0.75
"""How long streams may stand still while a chunk is read: it cannot be cut short."""


@dataclass(frozen=True, slots=True)
class MlxOptions:
    """How to load one MLX folder.

    `context_tokens` bounds one sequence, `memory_bytes` the caches of all running sequences and
    of what ended ones left. `sequences` is the most that generate at once. A step reads at most
    `chunk_tokens` of prompts, in about `pause_s` seconds.
    """

    path: Path
    context_tokens: int | None = None
    memory_bytes: int = 4 << 30
    sequences: int = SEQUENCES
    chunk_tokens: int = CHUNK_TOKENS
    pause_s: float = PAUSE_S
