"""GGUF files with random weights: the shape, and so the speed, of a real model, in seconds.

The vocabulary is made of syllables, so that every made-up word is one token and a text of a
wished length in tokens is easy to write. A model never ends its answer by itself.
"""

import itertools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from bench.figures import bare_parser

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "bench"

CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] "
    "+ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SYLLABLES = tuple(c + v for c, v in itertools.product("bdfghjklmnprstvz", "aeiou"))

WEIGHT = 0.02
"""Standard deviation of the weights."""

SILENT = 1e-4
"""That of the embeddings of tokens that are never generated: bytes and special tokens."""

_Q8 = gguf.GGMLQuantizationType.Q8_0
_BLOCK = 32
_UNIFORM_DEVIATION = 73.3
"""Standard deviation of whole numbers drawn evenly from -127 to 127."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of a transformer of the llama architecture with tied embeddings."""

    name: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int
    context_tokens: int = 32_768


HALF_B = Shape("random-0.5b", 24, 896, 4864, 14, 2, 151_936)
"""The dimensions of Qwen2.5-0.5B: 0.49 billion parameters, 525 MB as Q8_0."""

TINY = Shape("random-tiny", 2, 128, 256, 4, 2, 16_384, 4_096)
"""For tests that need any model at all: 3 MB."""


def random_model(shape: Shape = HALF_B, *, folder: Path = FOLDER, seed: int = 0) -> Path:
    """The file of a shape, made unless it is there already; the same bytes for one seed."""
    path = folder / f"{shape.name}-{seed}.gguf"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        write_model(unfinished, shape, seed=seed)
        unfinished.replace(path)
    return path


def write_model(path: Path, shape: Shape, *, seed: int) -> None:
    """Write a model with random Q8_0 weights."""
    writer = gguf.GGUFWriter(path, "llama")
    _add_shape(writer, shape)
    loud_from = _add_vocabulary(writer, shape.vocabulary)
    _add_weights(writer, shape, np.random.default_rng(seed), loud_from)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def text(tokens: int, *, seed: int) -> str:
    """Made-up words, one token each where a model's vocabulary is that of this module.

    Two seeds give texts that differ from the first word on.
    """
    choose = random.Random(seed)
    return "".join(f" {a}{b}" for a, b in (choose.choices(SYLLABLES, k=2) for _ in range(tokens)))


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name(shape.name)
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_quantization_version(2)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_chat_template(CHAT_TEMPLATE)


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> int:
    """Write the tokenizer; the first token that may be generated."""
    letters = _byte_letters()
    pairs = list(itertools.product(SYLLABLES, repeat=2))
    merges = [f"{s[0]} {s[1]}" for s in SYLLABLES]
    merges += [f"{a} {b}" for a, b in pairs]
    merges += [f"Ġ {a}{b}" for a, b in pairs]
    longer = (f"Ġ{a}{b} {c}" for (a, b), c in itertools.product(pairs, SYLLABLES))
    merges += itertools.islice(longer, max(0, size - len(letters) - len(SPECIAL) - len(merges)))
    merges = merges[: size - len(letters) - len(SPECIAL)]
    tokens = [*SPECIAL, *letters, *(merge.replace(" ", "") for merge in merges)]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL)
    kinds += [gguf.TokenType.NORMAL] * (size - len(SPECIAL))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(SPECIAL.index("<|endoftext|>"))
    writer.add_eos_token_id(SPECIAL.index("<|im_end|>"))
    writer.add_add_bos_token(False)
    return len(SPECIAL) + len(letters)


def _byte_letters() -> list[str]:
    """How byte-level tokenizers write the 256 bytes (as GPT-2's does)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]


def _add_weights(
    writer: gguf.GGUFWriter, shape: Shape, rng: np.random.Generator, loud_from: int
) -> None:
    def matrix(name: str, rows: int, columns: int) -> None:
        deviations = np.full(rows, WEIGHT)
        if name.startswith("token_embd"):
            deviations[:loud_from] = SILENT
        writer.add_tensor(f"{name}.weight", _q8(rng, deviations, columns), raw_dtype=_Q8)

    def ones(name: str) -> None:
        writer.add_tensor(f"{name}.weight", np.ones(shape.width, np.float32))

    kv_width = shape.width // shape.heads * shape.kv_heads
    matrix("token_embd", shape.vocabulary, shape.width)
    ones("output_norm")
    for layer in range(shape.layers):
        ones(f"blk.{layer}.attn_norm")
        ones(f"blk.{layer}.ffn_norm")
        matrix(f"blk.{layer}.attn_q", shape.width, shape.width)
        matrix(f"blk.{layer}.attn_k", kv_width, shape.width)
        matrix(f"blk.{layer}.attn_v", kv_width, shape.width)
        matrix(f"blk.{layer}.attn_output", shape.width, shape.width)
        matrix(f"blk.{layer}.ffn_gate", shape.feed_forward, shape.width)
        matrix(f"blk.{layer}.ffn_up", shape.feed_forward, shape.width)
        matrix(f"blk.{layer}.ffn_down", shape.width, shape.feed_forward)


def _q8(rng: np.random.Generator, deviations: Any, columns: int) -> "np.ndarray[Any, Any]":
    """Random rows as ggml's Q8_0 blocks: a half-precision scale and 32 signed bytes each."""
    blocks = np.empty((len(deviations), columns // _BLOCK, 2 + _BLOCK), np.uint8)
    scales = (deviations / _UNIFORM_DEVIATION).astype(np.float16)
    blocks[:, :, :2] = scales.view(np.uint8).reshape(-1, 1, 2)
    drawn = rng.integers(-127, 127, blocks[:, :, 2:].shape, np.int8, endpoint=True)
    blocks[:, :, 2:] = drawn.view(np.uint8)
    return blocks.reshape(len(deviations), -1)


def main() -> None:
    bare_parser(__doc__).parse_args()
    for shape in (HALF_B, TINY):
        print(random_model(shape))


if __name__ == "__main__":
    main()
