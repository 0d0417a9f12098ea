"""What the owner may say of a llama.cpp engine; None leaves the choice to the engine."""

from dataclasses import dataclass
from pathlib import Path

KV_TYPES = {"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q5_1": 7, "q5_0": 6, "q4_1": 3, "q4_0": 2}
"""Names of the key-value cache's element types with ggml's numbers for them (ggml.h)."""

MAX_SEQUENCES = 64
"""Sequences that generate at once where the owner names no number; more wait their turn."""

CPU_CHUNK_TOKENS, GPU_CHUNK_TOKENS = 256, 512
"""Prompt tokens of one step. A step cannot be cut short, so on a processor, which reads a few
hundred tokens a second of a 0.5B model, it must be short for cancelled requests to be gone soon."""


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How to load one GGUF file.

    `context_tokens` bounds one sequence, `cells` the whole key-value cache that all sequences
    share; both in tokens. `memory_bytes` bounds what the cache may take. `sequences` is the
    most that generate at once, `chunk_tokens` the most tokens of prompts that one step reads.
    `gpu_layers` -1 offloads every layer.
    """

    path: Path
    context_tokens: int | None = None
    cells: int | None = None
    memory_bytes: int = 4 << 30
    sequences: int = MAX_SEQUENCES
    threads: int = 2
    gpu_layers: int = -1
    kv_type: str = "f16"
    flash_attention: bool = True
    chunk_tokens: int = CPU_CHUNK_TOKENS
