"""A GGUF file of a small llama as the folder that MLX reads: same weights, same tokens.

    python -m scripts.mlx_folder swarm/models/bundled/swarm-nano.gguf FOLDER

For files like the bundled one: Q8_0 and F32 tensors, a byte-level vocabulary whose merges are of
letters alone. Needs what requirements/mlx.lock installs, and gguf.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import gguf
import numpy as np
from safetensors.numpy import save_file

Fields: TypeAlias = Mapping[str, Any]
Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

GROUP = 32
"""Weights that share a scale: the same number in a Q8_0 block and in MLX's groups."""

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class NotConvertible(Exception):
    """The file is not of the kind that this script knows; the message says why."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        convert(options.file, options.folder)
    except NotConvertible as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    return 0


def convert(file: Path, folder: Path) -> None:
    """Write the folder. Raises NotConvertible."""
    reader = gguf.GGUFReader(file)
    fields: Fields = {name: field.contents() for name, field in reader.fields.items()}
    if fields["general.architecture"] != "llama":
        raise NotConvertible(f"its architecture is {fields['general.architecture']}, not llama")
    weights = dict(_weights(reader.tensors, fields))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "mlx"})
    documents = {
        "config": _config(fields, tied="lm_head.weight" not in weights),
        "generation_config": _generation_config(fields),
        "tokenizer": _tokenizer(fields),
        "tokenizer_config": _tokenizer_config(fields),
    }
    for name, document in documents.items():
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def _weights(tensors: Iterable[Any], fields: Fields) -> Iterable[tuple[str, Array]]:
    heads = {
        "attn_q": fields["llama.attention.head_count"],
        "attn_k": fields["llama.attention.head_count_kv"],
    }
    for tensor in tensors:
        name = tensor.name.removesuffix(".weight").rsplit(".", 1)[-1]
        layer = re.match(r"blk\.(\d+)\.", tensor.name)
        theirs = f"model.layers.{layer[1]}.{_NAMES[name]}" if layer else _NAMES[name]
        data = tensor.data
        if name in heads:
            data = _halves(data, heads[name])
        if tensor.tensor_type == gguf.GGMLQuantizationType.F32:
            yield f"{theirs}.weight", np.array(data, np.float32)
        elif tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0:
            for part, values in _affine(data).items():
                yield f"{theirs}.{part}", values
        else:
            raise NotConvertible(f"{tensor.name} is {tensor.tensor_type.name}, not Q8_0 or F32")


def _affine(rows: Array) -> dict[str, Array]:
    """Rows of Q8_0 blocks as MLX's affine 8-bit groups: exactly the same numbers.

    A block is a half-precision scale and 32 signed bytes; MLX has unsigned ones, four in a word,
    and a bias: scale * (byte + 128) - 128 * scale.
    """
    blocks = np.array(rows).reshape(len(rows), -1, 2 + GROUP)
    scales = np.ascontiguousarray(blocks[:, :, :2]).view(np.float16)[:, :, 0].astype(np.float32)
    unsigned = np.ascontiguousarray(blocks[:, :, 2:]) ^ np.uint8(128)
    return {
        "weight": unsigned.reshape(len(rows), -1).view(np.uint32),
        "scales": scales,
        "biases": -128 * scales,
    }


def _halves(rows: Array, heads: int) -> Array:
    """Rows of each head from neighbouring pairs, as ggml rotates them, to halves, as MLX does."""
    pairs: Array = rows.reshape(heads, -1, 2, rows.shape[-1])
    halves: Array = np.ascontiguousarray(pairs.swapaxes(1, 2))
    return halves.reshape(rows.shape)


def _config(fields: Fields, *, tied: bool) -> dict[str, Any]:
    quantization = {"group_size": GROUP, "bits": 8, "mode": "affine"}
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": fields["llama.embedding_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": fields["llama.rope.dimension_count"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "vocab_size": len(fields["tokenizer.ggml.tokens"]),
        "max_position_embeddings": fields["llama.context_length"],
        "rope_theta": fields["llama.rope.freq_base"],
        "tie_word_embeddings": tied,
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "torch_dtype": "float32",
        "quantization": quantization,
    }


def _generation_config(fields: Fields) -> dict[str, Any]:
    sampling = {"temp": "temperature", "top_p": "top_p", "top_k": "top_k", "min_p": "min_p"}
    chosen = {
        theirs: fields[f"general.sampling.{ours}"]
        for ours, theirs in sampling.items()
        if f"general.sampling.{ours}" in fields
    }
    return {"eos_token_id": fields["tokenizer.ggml.eos_token_id"], "do_sample": True, **chosen}


def _tokenizer_config(fields: Fields) -> dict[str, Any]:
    tokens = fields["tokenizer.ggml.tokens"]
    special = {
        f"{name}_token": tokens[fields[f"tokenizer.ggml.{key}_token_id"]]
        for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"))
        if f"tokenizer.ggml.{key}_token_id" in fields
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": fields["llama.context_length"],
        "add_bos_token": bool(fields.get("tokenizer.ggml.add_bos_token", False)),
        "clean_up_tokenization_spaces": False,
        "chat_template": fields["tokenizer.chat_template"],
        **special,
    }


def _tokenizer(fields: Fields) -> dict[str, Any]:
    """The vocabulary for the library `tokenizers`.

    Control tokens are its special tokens. User-defined ones are pieces that a pattern cuts out
    and the vocabulary knows whole, for the library would take the first where llama.cpp takes
    the longest.
    """
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    kinds: list[int] = fields["tokenizer.ggml.token_type"]
    merges: list[str] = fields["tokenizer.ggml.merges"]
    if not all(re.fullmatch("[A-Za-z]+ [A-Za-z]+", merge) for merge in merges):
        raise NotConvertible("its vocabulary has merges of other characters than letters")
    fixed = [t for t, k in zip(tokens, kinds, strict=True) if k == gguf.TokenType.USER_DEFINED]
    control = [i for i, kind in enumerate(kinds) if kind == gguf.TokenType.CONTROL]
    letters = _byte_letters()
    written = {token: "".join(letters[byte] for byte in token.encode()) for token in fixed}
    split = {
        "type": "Split",
        "pattern": {"Regex": f"{pattern(fixed)}|[A-Za-z]+|[^A-Za-z]"},
        "behavior": "Isolated",
        "invert": False,
    }
    bytes_of = {"add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": [_special(i, tokens[i]) for i in control],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split, {"type": "ByteLevel", **bytes_of}],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", **bytes_of},
        "model": {
            "type": "BPE",
            "ignore_merges": True,
            "vocab": {written.get(token, token): i for i, token in enumerate(tokens)},
            "merges": [merge.split(" ") for merge in merges],
        },
    }


def pattern(fixed: Sequence[str]) -> str:
    """A regular expression that cuts fixed tokens out of a text as llama.cpp does.

    llama.cpp takes the longest token first, wherever that stands, and of one length the first of
    the vocabulary; a pattern goes from left to right. So a token gives way where one of an
    earlier choice begins inside of it, unless that has to give way itself.
    """
    ahead: dict[str, str] = {}
    for token in sorted(fixed, key=len, reverse=True):
        ahead[token] = "".join(
            f"(?!{re.escape(rest)}{beyond})"
            for rival, beyond in ahead.items()
            for rest in _rests(token, rival)
        )
    return "|".join(re.escape(token) + beyond for token, beyond in ahead.items())


def _rests(token: str, rival: str) -> list[str]:
    """What follows a token where a rival begins inside of it and ends beyond it."""
    shared = range(1, min(len(token), len(rival)))
    return [rival[size:] for size in shared if token.endswith(rival[:size])]


def _special(index: int, token: str) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": index, "content": token, "special": True, **plain}


def _byte_letters() -> list[str]:
    """How byte-level tokenizers write the 256 bytes (as GPT-2's does)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(moved)) for byte in range(256)]


if __name__ == "__main__":
    sys.exit(main())
