import json
import re
from pathlib import Path

import gguf
import numpy as np
import pytest

from bench.models import TINY, random_model
from swarm.models.header import read_header
from swarm.models.local import bundled_model

pytestmark = pytest.mark.needs("mlx")


def test_every_weight_is_the_same_number(tmp_path: Path) -> None:
    import mlx.core as mx

    from scripts.mlx_folder import convert

    convert(bundled_model().path, tmp_path)
    ours = mx.load(str(tmp_path / "model.safetensors"))
    assert isinstance(ours, dict)
    theirs = {t.name: t for t in gguf.GGUFReader(bundled_model().path).tensors}
    for name, other in {
        "blk.0.attn_v.weight": "model.layers.0.self_attn.v_proj",
        "blk.3.ffn_down.weight": "model.layers.3.mlp.down_proj",
        "token_embd.weight": "model.embed_tokens",
    }.items():
        tensor = theirs[name]
        exact = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        parts = [ours[f"{other}.{part}"] for part in ("weight", "scales", "biases")]
        found = np.array(mx.dequantize(*parts, group_size=32, bits=8))
        assert np.array_equal(found, exact)
    shape = read_header(bundled_model().path).shape
    layers = shape.layers
    assert len(ours) == 3 * (1 + 7 * layers) + 2 * layers + 1


def test_the_template_and_the_ends_come_along(tmp_path: Path) -> None:
    from scripts.mlx_folder import convert

    convert(bundled_model().path, tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert "add_generation_prompt" in config["chat_template"]
    assert config["eos_token"] == "<|im_end|>"


def test_a_vocabulary_that_merges_more_than_letters_is_refused(tmp_path: Path) -> None:
    from scripts.mlx_folder import NotConvertible, convert

    with pytest.raises(NotConvertible, match="other characters than letters"):
        convert(random_model(TINY, folder=tmp_path), tmp_path / "folder")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("aab", ["a", "ab"]),
        ("aaab", ["aa", "ab"]),
        ("xaa", ["x", "aa"]),
        ("abc", ["abc"]),
        ("aabc", ["a", "abc"]),
    ],
)
def test_fixed_tokens_are_cut_out_longest_first(text: str, pieces: list[str]) -> None:
    from scripts.mlx_folder import pattern

    assert re.findall(f"{pattern(['ab', 'aa', 'abc'])}|.", text) == pieces
