"""The network: a small llama (RMSNorm, RoPE, SwiGLU, tied embeddings) in plain torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data.hints import LINE, SPAN, VALUE

SHORT_ROW = 1024
HINTS = {SPAN: (4, 2), LINE: (6, 3), VALUE: (7, None)}
"""Targets inside requests and the tools nearest to them: the layer behind which each is asked for,
its classes or, where None, tokens."""
HINT_SHARES = {SPAN: 0.3, LINE: 0.6, VALUE: 0.4}
"""What each kind's mean loss counts beside the mean loss of the answers."""


@dataclass(frozen=True)
class ModelShape:
    """The sizes that the exported file's metadata repeats."""

    vocabulary: int
    layers: int = 9
    width: int = 256
    heads: int = 4
    hidden: int = 640
    context: int = 4096
    rope_base: float = 50_000.0
    norm_epsilon: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@torch.compile(dynamic=True)
def normed(x: Tensor, gain: Tensor, epsilon: float) -> Tensor:
    wide = x.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return (wide * scale * gain).to(torch.bfloat16)


@torch.compile(dynamic=True)
def gated(gate: Tensor, up: Tensor) -> Tensor:
    """SwiGLU's product."""
    return (F.silu(gate.float()) * up.float()).to(torch.bfloat16)


class RmsNorm(nn.Module):
    """Root-mean-square norm with a learnt gain; the gain stays in float32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        return normed(x, self.weight, self.epsilon)


def rope_tables(shape: ModelShape, length: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines, [length, head_width / 2] each, float32."""
    half = shape.head_width // 2
    rates = shape.rope_base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    return angles.cos().float(), angles.sin().float()


@torch.compile(dynamic=True)
def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE on the two halves of each head (the export reorders rows to llama.cpp's pairs)."""
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)
    return turned.to(torch.bfloat16)


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Plain products for short rows, where torch's fused CPU kernel is slow to differentiate."""
    length, width = query.shape[-2:]
    if length > SHORT_ROW:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    future = torch.full((length, length), -1e4).triu(1)
    scores = ((query * width**-0.5) @ key.transpose(-1, -2)).float() + future
    return torch.softmax(scores, -1).to(value.dtype) @ value


class Layer(nn.Module):
    """Attention and SwiGLU, each behind a norm and added to the stream."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.attention_norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.attention_out = nn.Linear(shape.width, shape.width, bias=False)
        self.feed_norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, only: Tensor | None = None) -> Tensor:
        """The stream behind the layer, [batch, length, width]; [only, width] at flat positions."""
        mixed = self.attend(x, cos, sin)
        if only is not None:
            x, mixed = x.flatten(0, 1)[only], mixed.flatten(0, 1)[only]
        x = x + self.attention_out(mixed).float()
        normal = self.feed_norm(x)
        return x + self.down(gated(self.gate(normal), self.up(normal))).float()

    def attend(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, length, width = x.shape
        split = (batch, length, 3, self.shape.heads, self.shape.head_width)
        heads = self.query_key_value(self.attention_norm(x)).view(split)
        query, key, value = heads.permute(2, 0, 3, 1, 4)
        out = causal_attention(rotate(query, cos, sin), rotate(key, cos, sin), value)
        return out.transpose(1, 2).reshape(batch, length, width)


class Nano(nn.Module):
    """Token ids [batch, length] to logits; the head is the embedding transposed."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = RmsNorm(shape.width, shape.norm_epsilon)
        self.hints = nn.ModuleDict(
            {
                kind: nn.Linear(shape.width, classes or shape.vocabulary)
                for kind, (_, classes) in HINTS.items()
            }
        )
        cos, sin = rope_tables(shape, shape.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        self.initialise()

    def initialise(self) -> None:
        """Small normal weights; layers that write to the stream start at zero."""
        nn.init.normal_(self.embedding.weight, std=0.02)
        for layer in self.layers:
            for name, weight in layer.named_parameters():
                if weight.ndim == 2:
                    nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
                if name.startswith(("attention_out", "down")):
                    nn.init.zeros_(weight)

    def losses(
        self, ids: Tensor, targets: Tensor, hints: dict[str, Tensor], counts: dict[str, int]
    ) -> dict[str, Tensor]:
        """The loss of the answers (under `answer`) and of each kind of hint that occurs.

        Cross entropy over the positions whose target is not negative, summed and divided by the
        kind's count, which may be that of several batches.
        """
        wanted = places_of(targets)
        *streams, last = self._streams(ids, wanted)
        logits = F.linear(self.norm(last), self.embedding.weight.to(torch.bfloat16))
        found = {"answer": shared(logits, targets.flatten()[wanted], counts["answer"])}
        for kind, marks in hints.items():
            if len(places := places_of(marks)):
                hidden = streams[HINTS[kind][0] - 1].flatten(0, 1)[places]
                guesses = self.hints[kind](F.rms_norm(hidden, hidden.shape[-1:]))
                found[kind] = shared(guesses, marks.flatten()[places], counts[kind])
        return found

    def _streams(self, ids: Tensor, only: Tensor | None) -> Iterator[Tensor]:
        """The hidden state behind each layer; behind the last at the flat positions `only`."""
        length = ids.shape[1]
        cos, sin = self.cos[:length], self.sin[:length]
        x = self.embedding(ids)
        for layer in self.layers[:-1]:
            x = layer(x, cos, sin)
            yield x
        yield self.layers[-1](x, cos, sin, only)


def places_of(targets: Tensor) -> Tensor:
    """The flat positions that have a target."""
    return (targets.flatten() >= 0).nonzero().squeeze(1)


def shared(logits: Tensor, targets: Tensor, count: int) -> Tensor:
    """This batch's part of a mean over `count` targets."""
    return F.cross_entropy(logits.float(), targets, reduction="sum") / count
