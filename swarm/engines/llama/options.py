"""What the owner may say of a llama.cpp engine; None leaves the choice to the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KV_TYPES = {"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q5_1": 7, "q5_0": 6, "q4_1": 3, "q4_0": 2}
"""Names of the key-value cache's element types with ggml's numbers for them (ggml.h)."""

MAX_SEQUENCES = 64
"""Sequences that generate at once where the owner names no number; more wait their turn."""

CHUNK_TOKENS = 512
"""Prompt tokens that one step reads at most: llama.cpp's own size of a physical batch."""

PAUSE_S = 1.5
"""How long streams may stand still, and new requests wait, while a chunk of a prompt is read."""


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How to load one GGUF file.

    `context_tokens` bounds one sequence, `cells` the whole key-value cache that all sequences
    share; both in tokens. `memory_bytes` bounds what the cache may take. `sequences` is the
    most that generate at once, `chunk_tokens` the most tokens of prompts that one step reads.
    A chunk is cut so that it takes about `pause_s` seconds. `gpu_layers` -1 and None
    offload every layer; how many fit says `swarm/models/fit.py`. `sampling` holds defaults where
    the file has none.
    """

    path: Path
    context_tokens: int | None = None
    cells: int | None = None
    memory_bytes: int = 4 << 30
    sequences: int = MAX_SEQUENCES
    threads: int = 2
    gpu_layers: int | None = None
    kv_type: str = "f16"
    flash_attention: bool = True
    chunk_tokens: int = CHUNK_TOKENS
    pause_s: float = PAUSE_S
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])
