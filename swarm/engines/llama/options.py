"""How a llama.cpp engine is to run its model: what was planned, and the owner's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarm.models.memory import BATCH_TOKENS, STREAMS

KV_TYPES = {"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q5_1": 7, "q5_0": 6, "q4_1": 3, "q4_0": 2}
"""Names of the key-value cache's element types with ggml's numbers for them (ggml.h)."""

PAUSE_S = 1.5
"""How long streams may stand still, and new requests wait, while a chunk of a prompt is read."""


@dataclass(frozen=True, slots=True)
class Share:
    """Layers that were planned for a device, and the free memory by which it is known again."""

    layers: int
    free_bytes: int


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How to load one GGUF file.

    `context_tokens` bounds one sequence, `cells` the whole key-value cache that all sequences
    share; both in tokens. `gpu_layers` are offloaded, all where it is -1; `split`
    says how many of them go to each device where there are several. All four are as
    `swarm/models/fit.py` planned them: they are taken at their word. `sequences` is the most that
    generate at once, more wait their turn; `chunk_tokens` the most tokens of prompts that one step
    reads. A chunk is cut so that it takes about `pause_s` seconds. `sampling` holds defaults where
    the file has none.
    """

    path: Path
    context_tokens: int
    cells: int
    gpu_layers: int
    split: tuple[Share, ...] = ()
    sequences: int = STREAMS
    threads: int = 2
    kv_type: str = "f16"
    flash_attention: bool = True
    chunk_tokens: int = BATCH_TOKENS
    pause_s: float = PAUSE_S
    sampling: Mapping[str, float] = field(default_factory=dict[str, float])
