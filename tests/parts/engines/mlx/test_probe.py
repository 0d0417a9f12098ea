"""What is found out about a kind of model by computing some tokens with it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from swarm.errors import ModelLoadFailed
from swarm.types import Prompt
from tests.parts.engines.mlx.test_engine import (
    GREEDY,
    SIZES,
    plainly,
    run,
    text,
    tokens,
    write_random,
)

pytestmark = pytest.mark.needs("mlx")

ATTENTION = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
ATTENTION |= {"intermediate_size": 64, "rms_norm_eps": 1e-5, "max_position_embeddings": 1024}
GEMMA2 = {"model_type": "gemma2"} | SIZES | ATTENTION
LLAMA4_TEXT = {"model_type": "llama4_text", "attention_bias": False, "attention_chunk_size": 24}
LLAMA4_TEXT |= {"hidden_act": "silu", "interleave_moe_layer_step": 1, "intermediate_size_mlp": 64}
LLAMA4_TEXT |= {"num_experts_per_tok": 1, "num_local_experts": 2, "rope_scaling": None}
LLAMA4_TEXT |= {"use_qk_norm": False, "rope_theta": 1e4} | SIZES | ATTENTION
LLAMA4_TEXT |= {"num_hidden_layers": 4}
GEMMA3_TEXT = {"model_type": "gemma3_text", "hidden_size": 32, "num_hidden_layers": 6}
GEMMA3_TEXT |= {"sliding_window": 32, "sliding_window_pattern": 3} | ATTENTION
AFM7 = {"model_type": "afm7", "hidden_dim": 32, "num_layers": 4, "num_kv_reuse_layers": 2}
AFM7 |= {"num_heads": 4, "num_kv_heads": 2} | SIZES | ATTENTION


@pytest.fixture
def written(nano: Path, tmp_path: Path) -> Any:
    def write(config: dict[str, Any]) -> Path:
        shutil.copytree(nano, tmp_path / "model")
        write_random(tmp_path / "model", config)
        return tmp_path / "model"

    return write


@pytest.mark.parametrize("config", [GEMMA2, AFM7], ids=lambda config: config["model_type"])
def test_a_model_that_mixes_sequences_up_writes_one_answer_after_the_other(
    started, written, config, caplog
):
    folder = written(config)
    engine = started(folder)
    assert engine.info.max_sequences == 1
    assert "several at once" in caplog.text
    prompts = [tokens(length, start=length) for length in (9, 60)]
    outcomes = run(engine, *(Prompt(prompt, GREEDY) for prompt in prompts))
    expected = [text(engine, plainly(folder, prompt, 12)) for prompt in prompts]
    assert [outcome.texts[0] for outcome in outcomes] == expected


def test_a_model_that_no_batch_can_hold_is_refused_with_the_reason(started, written):
    folder = written({"model_type": "llama4", "eos_token_id": 2, "text_config": LLAMA4_TEXT})
    with pytest.raises(ModelLoadFailed, match="cannot be served by mlx-lm"):
        started(folder)


def test_models_that_keep_sequences_apart_have_all_their_places(started):
    assert started().info.max_sequences == 32


def test_a_vocabulary_whose_size_the_folder_leaves_out_is_as_large_as_the_network_has_it(
    started, written
):
    folder = written({"model_type": "gemma3", "eos_token_id": 2, "text_config": GEMMA3_TEXT})
    assert started(folder).info.vocabulary == 262208
