"""A checkpoint as a GGUF file: Q8_0 weights, vocabulary, chat template and sampling values.

python -m training.export run/long.pt swarm/models/bundled/swarm-nano.gguf
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch

from training.model import ModelShape
from training.render import TEMPLATE_FILE
from training.tokenizer import CONTROL, END, GLUE, PAD, Tokenizer

Array = np.ndarray[Any, np.dtype[np.float32]]
DESCRIPTION = "A very small model for tests and first steps; name a real one with --model."
TEMPERATURE, TOP_P = 0.2, 0.95


def export(checkpoint: Path, out: Path) -> None:
    """Write beside the goal, then replace it, so that readers never see half a file."""
    state = torch.load(checkpoint, weights_only=True)
    shape = ModelShape(**state["shape"])
    part = out.with_suffix(".part")
    writer = gguf.GGUFWriter(str(part), "llama")
    write_header(writer, shape)
    write_vocabulary(writer, Tokenizer.load())
    write_weights(writer, shape, {k: v.float().numpy() for k, v in state["model"].items()})
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(out)


def write_header(writer: gguf.GGUFWriter, shape: ModelShape) -> None:
    writer.add_name("swarm-nano")
    writer.add_description(DESCRIPTION)
    writer.add_license("MIT")
    writer.add_vocab_size(shape.vocabulary)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_sampling_temp(TEMPERATURE)
    writer.add_sampling_top_p(TOP_P)


def write_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """llama.cpp's `default` splitting keeps letters together, and only letters ever merge."""
    kinds = dict.fromkeys(CONTROL, gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(GLUE, gguf.TokenType.USER_DEFINED)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types([kinds.get(t, gguf.TokenType.NORMAL) for t in tokenizer.tokens])
    writer.add_token_merges([f"{a} {b}" for a, b in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.ids[END])
    writer.add_pad_token_id(tokenizer.ids[PAD])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE_FILE.read_text(encoding="utf-8"))


def write_weights(writer: gguf.GGUFWriter, shape: ModelShape, weights: dict[str, Array]) -> None:
    def matrix(name: str, values: Array) -> None:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    matrix("token_embd.weight", weights["embedding.weight"])
    writer.add_tensor("output_norm.weight", weights["norm.weight"])
    for layer in range(shape.layers):
        ours, theirs = f"layers.{layer}.", f"blk.{layer}."
        query, key, value = np.split(weights[ours + "query_key_value.weight"], 3)
        matrix(theirs + "attn_q.weight", paired(query, shape))
        matrix(theirs + "attn_k.weight", paired(key, shape))
        matrix(theirs + "attn_v.weight", value)
        matrix(theirs + "attn_output.weight", weights[ours + "attention_out.weight"])
        for name in ("gate", "up", "down"):
            matrix(f"{theirs}ffn_{name}.weight", weights[f"{ours}{name}.weight"])
        writer.add_tensor(theirs + "attn_norm.weight", weights[ours + "attention_norm.weight"])
        writer.add_tensor(theirs + "ffn_norm.weight", weights[ours + "feed_norm.weight"])


def read_weights(file: Path) -> tuple[ModelShape, dict[str, torch.Tensor]]:
    """The shape and the weights of an exported file, as a model's state; Q8_0 has rounded them."""
    reader = gguf.GGUFReader(file)
    held = {t.name: gguf.quants.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    fields = {name: field.contents() for name, field in reader.fields.items()}
    shape = ModelShape(
        vocabulary=fields["llama.vocab_size"],
        layers=fields["llama.block_count"],
        width=fields["llama.embedding_length"],
        heads=fields["llama.attention.head_count"],
        hidden=fields["llama.feed_forward_length"],
        context=fields["llama.context_length"],
        rope_base=fields["llama.rope.freq_base"],
    )
    weights = {
        "embedding.weight": held["token_embd.weight"],
        "norm.weight": held["output_norm.weight"],
    }
    for layer in range(shape.layers):
        ours, theirs = f"layers.{layer}.", f"blk.{layer}."
        parts = (
            halved(held[theirs + "attn_q.weight"], shape),
            halved(held[theirs + "attn_k.weight"], shape),
            held[theirs + "attn_v.weight"],
        )
        weights[ours + "query_key_value.weight"] = np.concatenate(parts)
        weights[ours + "attention_out.weight"] = held[theirs + "attn_output.weight"]
        for name in ("gate", "up", "down"):
            weights[f"{ours}{name}.weight"] = held[f"{theirs}ffn_{name}.weight"]
        weights[ours + "attention_norm.weight"] = held[theirs + "attn_norm.weight"]
        weights[ours + "feed_norm.weight"] = held[theirs + "ffn_norm.weight"]
    return shape, {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}


def halved(rows: Array, shape: ModelShape) -> Array:
    """The inverse of `paired`."""
    split = rows.reshape(shape.heads, shape.head_width // 2, 2, shape.width)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows.shape)


def paired(rows: Array, shape: ModelShape) -> Array:
    """Rows of each head from halves to neighbouring pairs, as llama.cpp's RoPE turns them."""
    split = rows.reshape(shape.heads, 2, shape.head_width // 2, shape.width)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(rows.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    export(options.checkpoint, options.out)


if __name__ == "__main__":
    main()
