"""GGUF files with random weights, made in a moment: for speed and for the cache, not for sense.

Random models never end by themselves, so a generation lasts as long as it is let.
"""

from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

import gguf
import numpy as np


@dataclass(frozen=True)
class Shape:
    """A llama model's dimensions."""

    layers: int = 2
    width: int = 64
    feed_forward: int = 128
    heads: int = 2
    kv_heads: int = 1
    vocabulary: int = 512
    context_tokens: int = 1024


TINY = Shape()
HALF_BILLION = Shape(
    layers=24,
    width=896,
    feed_forward=4864,
    heads=14,
    kv_heads=2,
    vocabulary=151_936,
    context_tokens=32_768,
)
"""The shape of Qwen2.5-0.5B."""

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_gguf(path: Path, shape: Shape = TINY, *, seed: int = 0) -> Path:
    """Write a model of this shape; the same seed gives the same file."""
    writer = gguf.GGUFWriter(str(path), "llama")
    _write_header(writer, shape)
    _write_vocabulary(writer, shape.vocabulary)
    _write_weights(writer, shape, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _write_header(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("random")
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
    writer.add_chat_template(TEMPLATE)


def _write_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """All bytes, then words that no merge reaches: text is one token a byte."""
    letters = _byte_letters()
    words = ("".join(w) for w in product(letters[:94], repeat=3))
    tokens = [*letters, *islice(words, size - len(letters) - 1), "<|im_end|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (size - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(["Ā ā"])
    writer.add_eos_token_id(size - 1)
    writer.add_add_bos_token(False)


def _byte_letters() -> list[str]:
    """GPT-2's printable letter for each of the 256 bytes, printable ASCII first."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]


def _write_weights(writer: gguf.GGUFWriter, shape: Shape, rng: np.random.Generator) -> None:
    kv_width = shape.kv_heads * shape.width // shape.heads

    def matrix(name: str, rows: int, columns: int) -> None:
        values = rng.standard_normal((rows, columns), dtype=np.float32) * 0.02
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(shape.width, np.float32))

    matrix("token_embd.weight", shape.vocabulary, shape.width)
    ones("output_norm.weight")
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        ones(block + "attn_norm.weight")
        ones(block + "ffn_norm.weight")
        matrix(block + "attn_q.weight", shape.width, shape.width)
        matrix(block + "attn_k.weight", kv_width, shape.width)
        matrix(block + "attn_v.weight", kv_width, shape.width)
        matrix(block + "attn_output.weight", shape.width, shape.width)
        matrix(block + "ffn_gate.weight", shape.feed_forward, shape.width)
        matrix(block + "ffn_up.weight", shape.feed_forward, shape.width)
        matrix(block + "ffn_down.weight", shape.width, shape.feed_forward)
