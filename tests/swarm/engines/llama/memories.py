"""Small GGUF files with random weights, one for each kind of memory that llama.cpp has.

Weights are loud, so that every token before makes a difference to what is said next.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from bench.models import _add_vocabulary

VOCABULARY = 512
FIRST_WORD = 3 + 256
"""Tokens before it are control tokens and bytes, which these models never say."""

WINDOW = 32
WIDTH = 64
HEADS = 4
KV_HEADS = 2
HEAD_WIDTH = WIDTH // HEADS
FEED_FORWARD = 96
INNER = 2 * WIDTH
STATE = 8
CONVOLUTION = 4
RANK = 4
EXPERTS = 4


class Weights:
    """Writes tensors of random numbers, by seed."""

    def __init__(self, writer: gguf.GGUFWriter) -> None:
        self.writer = writer
        self._rng = np.random.default_rng(7)

    def random(self, name: str, *shape: int, scale: float = 0.25, offset: float = 0.0) -> None:
        """A tensor of numpy's shape: rows are outputs, columns inputs."""
        drawn = self._rng.normal(offset, scale, shape).astype(np.float32)
        self.writer.add_tensor(name, drawn)

    def ones(self, name: str, size: int) -> None:
        self.writer.add_tensor(name, np.ones(size, np.float32))

    def norm(self, name: str) -> None:
        self.ones(f"{name}.weight", WIDTH)
        self.random(f"{name}.bias", WIDTH)

    def output(self) -> None:
        # Not the embeddings again, or a model says its last token for ever.
        drawn = self._rng.normal(0, 0.5, (VOCABULARY, WIDTH)).astype(np.float32)
        drawn[:FIRST_WORD] *= 1e-4
        self.writer.add_tensor("output.weight", drawn)

    def attention(self, at: int, head_width: int = HEAD_WIDTH) -> None:
        for name, rows in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
            self.random(f"blk.{at}.attn_{name}.weight", rows * head_width, WIDTH)
        self.random(f"blk.{at}.attn_output.weight", WIDTH, HEADS * head_width)

    def head_norms(self, at: int, head_width: int = HEAD_WIDTH) -> None:
        for name in ("q", "k"):
            self.ones(f"blk.{at}.attn_{name}_norm.weight", head_width)

    def feed_forward(self, at: int) -> None:
        self.ones(f"blk.{at}.ffn_norm.weight", WIDTH)
        self.random(f"blk.{at}.ffn_gate.weight", FEED_FORWARD, WIDTH)
        self.random(f"blk.{at}.ffn_up.weight", FEED_FORWARD, WIDTH)
        self.random(f"blk.{at}.ffn_down.weight", WIDTH, FEED_FORWARD)

    def experts(self, at: int) -> None:
        self.random(f"blk.{at}.ffn_gate_inp.weight", EXPERTS, WIDTH)
        self.random(f"blk.{at}.ffn_gate_inp.bias", EXPERTS)
        for name, rows, columns in (
            ("gate", FEED_FORWARD, WIDTH),
            ("up", FEED_FORWARD, WIDTH),
            ("down", WIDTH, FEED_FORWARD),
        ):
            self.random(f"blk.{at}.ffn_{name}_exps.weight", EXPERTS, rows, columns)
            self.random(f"blk.{at}.ffn_{name}_exps.bias", EXPERTS, rows)

    def state_space(self, at: int) -> None:
        self.random(f"blk.{at}.ssm_in.weight", 2 * INNER, WIDTH)
        self.random(f"blk.{at}.ssm_conv1d.weight", INNER, CONVOLUTION)
        self.random(f"blk.{at}.ssm_conv1d.bias", INNER)
        self.random(f"blk.{at}.ssm_x.weight", RANK + 2 * STATE, INNER)
        self.random(f"blk.{at}.ssm_dt.weight", INNER, RANK)
        self.random(f"blk.{at}.ssm_dt.bias", INNER, offset=-2)
        self.random(f"blk.{at}.ssm_a", INNER, STATE, offset=-1)
        self.random(f"blk.{at}.ssm_d", INNER, offset=1)
        self.random(f"blk.{at}.ssm_out.weight", WIDTH, INNER)


def _started(
    path: Path, architecture: str, layers: int, kv_heads: Any = KV_HEADS, *, output: bool = True
) -> Weights:
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(architecture)
    writer.add_context_length(1024)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY)
    _add_vocabulary(writer, VOCABULARY)
    weights = Weights(writer)
    weights.random("token_embd.weight", VOCABULARY, WIDTH, scale=0.5)
    if output:
        weights.output()
    return weights


def _ended(weights: Weights) -> None:
    weights.writer.write_header_to_file()
    weights.writer.write_kv_data_to_file()
    weights.writer.write_tensors_to_file()
    weights.writer.close()


def _add_state_space(writer: gguf.GGUFWriter) -> None:
    writer.add_ssm_conv_kernel(CONVOLUTION)
    writer.add_ssm_inner_size(INNER)
    writer.add_ssm_state_size(STATE)
    writer.add_ssm_time_step_rank(RANK)


def sliding_window(path: Path) -> None:
    """Gemma 3: five layers of six see 32 tokens."""
    weights = _started(path, "gemma3", layers=6)
    weights.writer.add_key_length(HEAD_WIDTH)
    weights.writer.add_value_length(HEAD_WIDTH)
    weights.writer.add_rope_freq_base(1e6)
    weights.writer.add_sliding_window(WINDOW)
    weights.ones("output_norm.weight", WIDTH)
    for at in range(6):
        for name in ("attn_norm", "post_attention_norm", "post_ffw_norm"):
            weights.ones(f"blk.{at}.{name}.weight", WIDTH)
        weights.attention(at)
        weights.head_norms(at)
        weights.feed_forward(at)
    _ended(weights)


def shared_cache(path: Path) -> None:
    """Gemma 4: heads of layers that see 32 tokens are narrower, and the last layers read the caches
    of those before.
    """
    slides = [True, True, True, False, True, False]
    weights = _started(path, "gemma4", layers=len(slides))
    weights.writer.add_key_length(2 * HEAD_WIDTH)
    weights.writer.add_value_length(2 * HEAD_WIDTH)
    weights.writer.add_key_length_swa(HEAD_WIDTH)
    weights.writer.add_value_length_swa(HEAD_WIDTH)
    weights.writer.add_rope_dimension_count_swa(HEAD_WIDTH)
    weights.writer.add_rope_freq_base(1e6)
    weights.writer.add_sliding_window(WINDOW)
    weights.writer.add_sliding_window_pattern(slides)
    weights.writer.add_shared_kv_layers(2)
    weights.writer.add_embedding_length_per_layer_input(0)
    weights.ones("output_norm.weight", WIDTH)
    weights.ones("rope_freqs.weight", HEAD_WIDTH)
    for at, is_narrow in enumerate(slides):
        width = HEAD_WIDTH if is_narrow else 2 * HEAD_WIDTH
        for name in ("attn_norm", "post_attention_norm", "post_ffw_norm"):
            weights.ones(f"blk.{at}.{name}.weight", WIDTH)
        weights.attention(at, width)
        weights.head_norms(at, width)
        weights.feed_forward(at)
    _ended(weights)


def sinks(path: Path) -> None:
    """gpt-oss: every other layer sees 32 tokens and a sink, and experts feed forward: all of them,
    or it would be a matter of rounding which a token goes to.
    """
    weights = _started(path, "gpt-oss", layers=4)
    weights.writer.add_key_length(HEAD_WIDTH)
    weights.writer.add_value_length(HEAD_WIDTH)
    weights.writer.add_rope_freq_base(1e5)
    weights.writer.add_sliding_window(WINDOW)
    weights.writer.add_expert_count(EXPERTS)
    weights.writer.add_expert_used_count(EXPERTS)
    weights.writer.add_expert_feed_forward_length(FEED_FORWARD)
    weights.ones("output_norm.weight", WIDTH)
    for at in range(4):
        for name in ("attn_norm", "post_attention_norm"):
            weights.ones(f"blk.{at}.{name}.weight", WIDTH)
        weights.attention(at)
        weights.random(f"blk.{at}.attn_output.bias", WIDTH)
        weights.random(f"blk.{at}.attn_sinks.weight", HEADS)
        weights.experts(at)
    _ended(weights)


def recurrent(path: Path) -> None:
    """Mamba: a running state and nothing else."""
    weights = _started(path, "mamba", layers=2, kv_heads=0)
    _add_state_space(weights.writer)
    weights.ones("output_norm.weight", WIDTH)
    for at in range(2):
        weights.ones(f"blk.{at}.attn_norm.weight", WIDTH)
        weights.state_space(at)
    _ended(weights)


def hybrid(path: Path) -> None:
    """Jamba: layers of attention between layers with a state."""
    weights = _started(path, "jamba", layers=4, kv_heads=[0, KV_HEADS, 0, KV_HEADS])
    _add_state_space(weights.writer)
    weights.ones("output_norm.weight", WIDTH)
    for at in range(4):
        weights.ones(f"blk.{at}.attn_norm.weight", WIDTH)
        if at % 2:
            weights.attention(at)
        else:
            weights.state_space(at)
            weights.ones(f"blk.{at}.ssm_dt_norm.weight", RANK)
            weights.ones(f"blk.{at}.ssm_b_norm.weight", STATE)
            weights.ones(f"blk.{at}.ssm_c_norm.weight", STATE)
        weights.feed_forward(at)
    _ended(weights)


def convolution(path: Path) -> None:
    """LFM2: layers of attention between short convolutions, whose state is a few tokens."""
    weights = _started(path, "lfm2", layers=4, kv_heads=[0, KV_HEADS, 0, KV_HEADS])
    weights.writer.add_shortconv_l_cache(3)
    weights.writer.add_rope_freq_base(1e6)
    weights.ones("token_embd_norm.weight", WIDTH)
    for at in range(4):
        weights.ones(f"blk.{at}.attn_norm.weight", WIDTH)
        if at % 2:
            weights.attention(at)
            weights.head_norms(at)
        else:
            weights.random(f"blk.{at}.shortconv.conv.weight", WIDTH, 3)
            weights.random(f"blk.{at}.shortconv.in_proj.weight", 3 * WIDTH, WIDTH)
            weights.random(f"blk.{at}.shortconv.out_proj.weight", WIDTH, WIDTH)
        weights.feed_forward(at)
    _ended(weights)


def reader_of_last(path: Path) -> None:
    """Qwen3-Embedding's way: the vector is what is known at the end token, which is added."""
    weights = _started(path, "llama", layers=1)
    weights.writer.add_pooling_type(gguf.PoolingType.LAST)
    weights.writer.add_add_bos_token(value=False)
    weights.writer.add_add_eos_token(value=True)
    weights.ones("output_norm.weight", WIDTH)
    weights.ones("blk.0.attn_norm.weight", WIDTH)
    weights.attention(0)
    weights.feed_forward(0)
    _ended(weights)


def encoder(path: Path) -> None:
    """BERT: no memory at all; it makes embeddings only, the mean of its tokens."""
    weights = _started(path, "bert", layers=2, kv_heads=HEADS, output=False)
    weights.writer.add_layer_norm_eps(1e-6)
    weights.writer.add_token_type_count(2)
    weights.writer.add_causal_attention(value=False)
    weights.writer.add_pooling_type(gguf.PoolingType.MEAN)
    weights.random("position_embd.weight", 1024, WIDTH)
    weights.random("token_types.weight", 2, WIDTH)
    weights.norm("token_embd_norm")
    for at in range(2):
        for name in ("q", "k", "v", "output"):
            weights.random(f"blk.{at}.attn_{name}.weight", WIDTH, WIDTH)
        weights.norm(f"blk.{at}.attn_output_norm")
        weights.random(f"blk.{at}.ffn_up.weight", FEED_FORWARD, WIDTH)
        weights.random(f"blk.{at}.ffn_down.weight", WIDTH, FEED_FORWARD)
        weights.norm(f"blk.{at}.layer_output_norm")
    _ended(weights)


KINDS: dict[str, Callable[[Path], None]] = {
    "sliding window": sliding_window,
    "shared cache": shared_cache,
    "sinks": sinks,
    "recurrent": recurrent,
    "hybrid": hybrid,
    "hybrid of convolutions": convolution,
}
