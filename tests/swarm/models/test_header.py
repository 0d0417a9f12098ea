"""What a GGUF header tells, and damaged ones."""

import struct
from pathlib import Path

import gguf
import pytest

from bench.models import TINY, random_model
from swarm.errors import ConfigurationError
from swarm.models.header import read_header
from swarm.models.local import BUNDLED_PATH


def written(path: Path, architecture: str, **more: bool | float | list[int] | list[bool]) -> Path:
    """A header and no tensors."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_context_length(4096)
    writer.add_embedding_length(64)
    writer.add_head_count(4)
    writer.add_token_list([f"t{i}" for i in range(1500)])
    for key, value in {"block_count": 4, **more}.items():
        name = f"{architecture}.{key.replace('__', '.')}"
        if isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif value < 0:
            writer.add_int32(name, value)
        else:
            writer.add_uint32(name, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def test_a_file_tells_its_own_shape(tmp_path: Path) -> None:
    header = read_header(random_model(TINY, folder=tmp_path))
    assert (header.architecture, header.context_tokens) == ("llama", 4096)
    shape = header.shape
    assert (shape.layers, shape.heads, shape.width) == (2, 4, 128)
    assert shape.cached_values == 2 * 2 * 64
    assert shape.vocabulary == 16_384


def test_the_bundled_model_can_be_read() -> None:
    assert read_header(BUNDLED_PATH).shape.vocabulary > 0


def test_tokens_are_counted_where_no_number_is_told(tmp_path: Path) -> None:
    assert read_header(written(tmp_path / "a.gguf", "llama")).shape.vocabulary == 1500


def test_heads_may_differ_by_layer(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "jamba", attention__head_count_kv=[0, 2, 0, 2])
    assert read_header(path).shape.cached_values == 4 * 2 * 16


def test_a_hybrid_has_states_and_a_cache_in_every_fourth_layer(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.gguf",
        "qwen35",
        attention__head_count_kv=2,
        full_attention_interval=4,
        ssm__inner_size=32,
        ssm__state_size=8,
        ssm__conv_kernel=4,
        ssm__group_count=1,
    )
    shape = read_header(path).shape
    assert shape.cached_values == 2 * 2 * 16
    assert shape.state_values == 3 * (3 * (32 + 16) + 8 * 32)


@pytest.mark.parametrize(
    ("architecture", "told", "generates"),
    [
        ("llama", {}, True),
        ("llama", {"attention__causal": True, "pooling_type": 0}, True),
        ("llama", {"attention__causal": False}, False),
        ("qwen3", {"pooling_type": 3}, False),
        ("nomic-bert", {}, False),
    ],
)
def test_a_file_tells_whether_its_model_generates(
    tmp_path: Path, architecture: str, told: dict[str, bool | int], generates: bool
) -> None:
    header = read_header(written(tmp_path / "a.gguf", architecture, **told))
    assert header.generates is generates


STATES = {"ssm__inner_size": 32, "ssm__state_size": 8, "ssm__conv_kernel": 4, "ssm__group_count": 1}
STATE = 3 * (32 + 16) + 8 * 32


def test_older_files_of_a_hybrid_do_not_say_which_layers_have_attention(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "qwen3next", attention__head_count_kv=2, **STATES)
    shape = read_header(path).shape
    assert (shape.cached_values, shape.state_values) == (2 * 2 * 16, 3 * STATE)


def test_a_layer_of_a_feed_forward_part_alone_has_no_state(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.gguf",
        "nemotron_h",
        attention__head_count_kv=[0, 0, 2, 0],
        feed_forward_length=[0, 96, 0, 96],
        **STATES,
    )
    assert read_header(path).shape.state_values == STATE


def test_a_state_may_be_beside_attention_in_every_layer(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "falcon-h1", attention__head_count_kv=2, **STATES)
    shape = read_header(path).shape
    assert (shape.cached_values, shape.state_values) == (4 * 2 * 2 * 16, 4 * STATE)


def test_latent_attention_keeps_its_latent_once(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.gguf",
        "deepseek2",
        attention__head_count_kv=1,
        attention__key_length=576,
        attention__value_length=512,
        attention__key_length_mla=192,
    )
    assert read_header(path).shape.cached_values == 4 * 576


GEMMA_4 = {
    "block_count": 6,
    "attention__head_count_kv": [2, 2, 2, 1, 2, 1],
    "attention__key_length": 32,
    "attention__value_length": 32,
    "attention__key_length_swa": 16,
    "attention__value_length_swa": 16,
    "attention__sliding_window_pattern": [True, True, True, False, True, False],
}


def test_heads_of_layers_that_slide_have_a_width_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "gemma4", **GEMMA_4)
    shape = read_header(path).shape
    assert shape.cached_values == 4 * 2 * (16 + 16) + 2 * 1 * (32 + 32)


def test_a_layer_that_the_pattern_leaves_out_does_not_slide(tmp_path: Path) -> None:
    pattern = {"attention__sliding_window_pattern": [True] * 5}
    path = written(tmp_path / "a.gguf", "gemma4", **{**GEMMA_4, **pattern})
    assert read_header(path).shape.cached_values == (4 * 2 + 1) * (16 + 16) + 1 * (32 + 32)


def test_the_last_layers_may_have_no_cache_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "gemma4", **GEMMA_4, attention__shared_kv_layers=2)
    assert read_header(path).shape.cached_values == 3 * 2 * (16 + 16) + 1 * (32 + 32)


def test_without_flash_attention_values_are_as_wide_as_the_widest(tmp_path: Path) -> None:
    heads = {"attention__head_count_kv": 2}
    shape = read_header(written(tmp_path / "a.gguf", "gemma4", **{**GEMMA_4, **heads})).shape
    assert shape.cell_bytes("f16", flash=False) == 2 * (4 * 2 * (16 + 32) + 2 * 2 * (32 + 32))


def test_of_gemma_3n_twenty_layers_have_a_cache(tmp_path: Path) -> None:
    for layers, caches in ((35, 20), (30, 20), (4, 4)):
        path = written(
            tmp_path / "a.gguf", "gemma3n", block_count=layers, attention__head_count_kv=2
        )
        assert read_header(path).shape.cached_values == caches * 2 * (16 + 16)


def test_a_token_of_a_mixture_reads_its_chosen_experts_and_the_rest(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.gguf",
        "qwen3moe",
        expert_count=128,
        expert_used_count=8,
        expert_feed_forward_length=768,
    )
    share = read_header(path).active_share
    assert 8 / 128 < share < 0.2
    assert read_header(written(tmp_path / "b.gguf", "llama")).active_share == 1


def test_experts_may_differ_by_layer(tmp_path: Path) -> None:
    experts = {"feed_forward_length": 96, "expert_count": 16}
    alike = {**experts, "expert_used_count": 4, "expert_feed_forward_length": 64}
    told = {**alike, "expert_used_count": [4] * 4, "expert_feed_forward_length": [64] * 4}
    one = read_header(written(tmp_path / "one.gguf", "gemma4", **alike))
    each = read_header(written(tmp_path / "each.gguf", "gemma4", **told))
    assert (each.shape, each.active_share) == (one.shape, one.active_share)
    told["expert_used_count"], told["expert_feed_forward_length"] = [4, 8, 4, 4], [0, 0, 64, 128]
    mixed = read_header(written(tmp_path / "mixed.gguf", "gemma4", **told))
    assert mixed.shape.feed_forward == 4 * 128
    attention_and_words = 64 * (2 * 64 * 4 + 4 * 2 * 64) + 1500 * 64
    chosen, whole = (3 * 64 * (64 + 128) * experts for experts in (4, 16))
    share = (attention_and_words + chosen) / (attention_and_words + whole)
    assert mixed.active_share == pytest.approx(share)


@pytest.mark.parametrize("length", [3, 30, 2000])
def test_a_file_that_ends_early_is_refused(tmp_path: Path, length: int) -> None:
    whole = written(tmp_path / "whole.gguf", "llama").read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[:length])
    with pytest.raises(ConfigurationError, match="damaged"):
        read_header(cut)


def test_a_file_that_ends_behind_its_header_is_not_whole(tmp_path: Path) -> None:
    whole = BUNDLED_PATH.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigurationError, match="not whole: it ends before its last weights"):
        read_header(cut)


def test_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(b"PK" + bytes(100))
    with pytest.raises(ConfigurationError, match="not a GGUF file"):
        read_header(path)


MIXTURE = {"expert_count": 8, "expert_used_count": 2, "expert_feed_forward_length": 64}


@pytest.mark.parametrize(
    "told",
    [
        {"block_count": 0},
        {"block_count": -1},
        {"block_count": 2_000_000},
        {"block_count": float("inf")},
        {"attention__head_count": -4},
        {"attention__key_length": -4},
        {"context_length": -4096},
        {"context_length": float("nan")},
        {**MIXTURE, "expert_count": -8},
        {"full_attention_interval": float("inf")},
        {**MIXTURE, "embedding_length": 0, "attention__head_count": 0},
    ],
)
def test_numbers_that_no_model_has_are_refused(
    tmp_path: Path, told: dict[str, int | float]
) -> None:
    with pytest.raises(ConfigurationError, match="damaged"):
        read_header(written(tmp_path / "a.gguf", "mine", **told))


def test_a_mixture_needs_no_attention(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gguf", "mine", attention__head_count=0, **MIXTURE)
    assert 0 < read_header(path).active_share < 1


ARRAY, TEXT = 9, 8


@pytest.mark.parametrize(
    "value",
    [
        struct.pack("<I", ARRAY) + struct.pack("<IQ", ARRAY, 1) * 5000,
        struct.pack("<IIQ", ARRAY, TEXT, 1 << 40),
        struct.pack("<IIQ", ARRAY, 4, (1 << 64) - 1),
    ],
)
def test_arrays_that_no_model_has_are_refused(tmp_path: Path, value: bytes) -> None:
    path = tmp_path / "a.gguf"
    with path.open("wb") as file:
        file.write(struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 1) + b"x" + value)
        file.truncate(1 << 32)  # a hole: what is read of it is zeros
    with pytest.raises(ConfigurationError, match=r"damaged|cannot be read"):
        read_header(path)
