"""Reads what the fit needs from a GGUF file's header, without the engine and without the weights.

The format is ggml's docs/gguf.md, version 2 and 3, little-endian.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO, cast

from swarm.errors import ConfigurationError
from swarm.models.memory import Shape

_MAGIC = b"GGUF"
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_FORMATS[12] = "d"
_STRING, _ARRAY = 8, 9
_TOKENS = "tokenizer.ggml.tokens"
_LONGEST_KEPT = 1024
"""Arrays up to this length are read; of longer ones (the vocabulary) only the length is kept. A
model has no more layers than that: llama.cpp takes half as many."""

_MOST_KEYS = 100_000
_MOST_DIMENSIONS = 4
_ALIGNMENT = 32
_MOST_TEXTS = 10_000_000
_LONGEST_STRING = 64 << 20

_INTERVAL = "full_attention_interval"
_INTERVALS = {"qwen3next": 4, "qwen35": 4, "qwen35moe": 4}
"""Every how many layers one has attention, by architecture, where an older file does not say it
(llama.cpp)."""

_READERS = frozenset(
    {
        *("bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "eurobert"),
        *("jina-bert-v2", "jina-bert-v3", "gemma-embedding", "llama-embed", "t5encoder"),
    }
)
"""Architectures that only read; older files of them do not say so (llama.cpp)."""

_NO_POOLING = 0

_DAMAGED = struct.error, ValueError, TypeError, KeyError, ArithmeticError
"""What reading a header, or counting with its numbers, comes upon."""

_SLIDING = "attention.sliding_window_pattern"
_SHARED = "attention.shared_kv_layers"
"""How many of the last layers read the caches of layers before them and have none themselves."""

_OWN_CACHES = {"gemma3n": 20}
"""How many layers at the beginning have a cache, by architecture, whatever a file says (llama.cpp).
"""

_OTHERS = {
    "adapter": "an adapter, which changes another model",
    "imatrix": "an importance matrix, by which models are quantised",
    "mmproj": "a projector, by which another model sees or hears",
    "clip": "a projector, by which another model sees or hears",
}
"""What a file that isn't a model is instead, by its type, or in older ones by its architecture."""

_Metadata = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Header:
    """A file's own word on its model; a token reads `active_share` of the weights.

    What does not generate is made for embeddings, or to rank texts.
    """

    name: str
    architecture: str
    context_tokens: int
    shape: Shape
    active_share: float
    generates: bool


def read_header(path: Path) -> Header:
    """The header of a GGUF file. Raises ConfigurationError for a damaged or foreign one."""
    try:
        with path.open("rb") as file:
            tensors, count = _begin(file)
            metadata = dict(_pairs(file, count))
            if _ends_early(file, tensors, metadata):
                raise ConfigurationError(f"{path} is not whole: it ends before its last weights")
        return _header(path, metadata)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except _DAMAGED as error:
        message = f"{path} is not a GGUF file, or it is damaged ({error})"
        raise ConfigurationError(message) from error


def other_than_model(path: Path) -> str | None:
    """What a GGUF file is in words where it isn't a model. None for one that is, and for a damaged
    one, of which `read_header` says more. Raises OSError.

    Reads the `general` keys, which come first, and not the vocabulary.
    """
    told: _Metadata = {}
    with path.open("rb") as file:
        try:
            _, count = _begin(file)
            for key, value in _pairs(file, count):
                if not key.startswith("general."):
                    break
                told[key] = value
        except _DAMAGED:
            return None
    kinds = told.get("general.type"), told.get("general.architecture")
    words = (kind for kind in kinds if isinstance(kind, str))
    return next((_OTHERS[kind] for kind in words if kind in _OTHERS), None)


def _begin(file: BinaryIO) -> tuple[int, int]:
    """How many tensors and how many keys there are."""
    magic, version, tensors, count = struct.unpack("<4sIQQ", file.read(24))
    if magic != _MAGIC or version not in (2, 3) or max(tensors, count) > _MOST_KEYS:
        raise ValueError("its first bytes are of another format")
    return tensors, count


def _pairs(file: BinaryIO, count: int) -> Iterator[tuple[str, Any]]:
    for _ in range(count):
        key = _string(file).decode()
        yield key, _value(file, *struct.unpack("<I", file.read(4)))


def _offsets(file: BinaryIO, tensors: int) -> Iterator[int]:
    """Where each tensor begins among the weights, which come behind these entries."""
    for _ in range(tensors):
        _string(file)
        (dimensions,) = struct.unpack("<I", file.read(4))
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"a tensor of {dimensions} dimensions")
        *_, offset = struct.unpack(f"<{dimensions}QIQ", file.read(8 * dimensions + 12))
        yield offset


def _ends_early(file: BinaryIO, tensors: int, metadata: Mapping[str, Any]) -> bool:
    """Whether the last tensor begins behind the end. A first part may hold none."""
    last = max(_offsets(file, tensors), default=None)
    unit = int(metadata.get("general.alignment", _ALIGNMENT))
    weights = -(-file.tell() // unit) * unit
    return last is not None and weights + last >= file.seek(0, SEEK_END)


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(file).decode(errors="replace")
    if kind == _ARRAY:
        return _array(file)
    (value,) = struct.unpack(f"<{_FORMATS[kind]}", file.read(struct.calcsize(_FORMATS[kind])))
    return value


def _array(file: BinaryIO) -> "list[Any] | int":
    """The elements of a short array, the length of a long one."""
    kind, count = struct.unpack("<IQ", file.read(12))
    if kind == _ARRAY:  # neither does llama.cpp take one
        raise ValueError("an array within an array")
    if count <= _LONGEST_KEPT:
        return [_value(file, kind) for _ in range(count)]
    if kind != _STRING:
        file.seek(count * struct.calcsize(_FORMATS[kind]), 1)
    elif count > _MOST_TEXTS:
        raise ValueError(f"an array of {count} texts")
    else:
        for _ in range(count):
            _string(file)
    return count


def _string(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _LONGEST_STRING:
        raise ValueError(f"a text of {length} bytes")
    text = file.read(length)
    if len(text) < length:
        raise ValueError("it ends in the middle of a text")
    return text


def _header(path: Path, metadata: Mapping[str, Any]) -> Header:
    architecture = str(metadata["general.architecture"])
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in metadata.items()
        if key.startswith(f"{architecture}.")
    }
    if architecture in _INTERVALS:
        own.setdefault(_INTERVAL, _INTERVALS[architecture])
    if architecture in _OWN_CACHES:
        own[_SHARED] = max(_layers(own) - _OWN_CACHES[architecture], 0)
    shape = _shape(own, _length(metadata.get(_TOKENS, 0)))
    return Header(
        name=str(metadata.get("general.name", path.stem)),
        architecture=architecture,
        context_tokens=_count(own.get("context_length", 0)) or 4096,
        shape=shape,
        active_share=_active_share(own, shape),
        generates=_generates(architecture, own),
    )


def _generates(architecture: str, own: Mapping[str, Any]) -> bool:
    """Whether the model goes on with a text; one that pools was trained to sum texts up."""
    causal = architecture not in _READERS and bool(own.get("attention.causal", True))
    return causal and int(own.get("pooling_type", _NO_POOLING)) == _NO_POOLING


def _layers(own: Mapping[str, Any]) -> int:
    layers = int(own["block_count"])
    if not 1 <= layers <= _LONGEST_KEPT:
        raise ValueError(f"{layers} layers")
    return layers


def _shape(own: Mapping[str, Any], tokens: int) -> Shape:
    layers, width = _layers(own), _count(own["embedding_length"])
    heads = _largest(own.get("attention.head_count", 1))
    keys, values = _caches(own, layers, heads, width // max(heads, 1))
    kept = max(layers - _count(own.get(_SHARED, 0)), 0)
    widest = max(values, default=0)
    return Shape(
        layers=layers,
        heads=heads,
        cached_values=sum(keys[:kept]) + sum(values[:kept]),
        vocabulary=_count(own.get("vocab_size", 0)) or tokens,
        width=width,
        feed_forward=_feed_forward(own, layers),
        state_values=_state_values(own) * _recurrent_layers(own, layers),
        padding_values=sum(widest - each for each in values[:kept] if each),
    )


def _caches(
    own: Mapping[str, Any], layers: int, heads: int, usual: int
) -> tuple[list[int], list[int]]:
    """Keys and values of a token, layer by layer. Layers that slide may have heads of a width of
    their own; they get as many cells as the others.
    """
    told = own.get(_SLIDING)
    slides = _by_layer(told, 0) if isinstance(told, list) else []
    slides += [0] * (layers - len(slides))  # layers that only predict are left out of the pattern
    full, sliding = _widths(own, "", usual), _widths(own, "_swa", usual)
    widths = [sliding if slide else full for slide in slides]
    each = list(zip(_kv_heads(own, layers, heads), widths, strict=False))
    return [count * key for count, (key, _) in each], [count * value for count, (_, value) in each]


def _widths(own: Mapping[str, Any], ending: str, usual: int) -> tuple[int, int]:
    """Values of a head's key and value; latent attention keeps its latent once (MLA)."""
    key, value = (
        _count(own.get(f"{name}{ending}", own.get(name, usual)))
        for name in ("attention.key_length", "attention.value_length")
    )
    return key, 0 if "attention.key_length_mla" in own else value


def _kv_heads(own: Mapping[str, Any], layers: int, heads: int) -> list[int]:
    """Heads with keys and values, layer by layer; none in recurrent layers."""
    told = own.get("attention.head_count_kv", heads)
    every = own.get(_INTERVAL)
    if every and not isinstance(told, list):
        return [_count(told) if (layer + 1) % _count(every) == 0 else 0 for layer in range(layers)]
    return _by_layer(told, layers)


def _feed_forward(own: Mapping[str, Any], layers: int) -> int:
    """Width of the widest feed-forward row; a mixture computes the experts that it chose."""
    return max(_largest(own.get("feed_forward_length", 0)), *map(prod, _experts(own, layers)))


def _experts(own: Mapping[str, Any], layers: int) -> list[tuple[int, int]]:
    """An expert's width and how many a token needs, layer by layer; a file may tell one for all."""
    widths = _by_layer(own.get("expert_feed_forward_length", 0), layers)
    used = _by_layer(own.get("expert_used_count", 0), layers)
    return list(zip(widths, used, strict=False))


def _active_share(own: Mapping[str, Any], shape: Shape) -> float:
    """Of a mixture's weights those that one token needs: the chosen experts and all the rest."""
    count = _count(own.get("expert_count", 0))
    if not count:
        return 1.0
    experts = _experts(own, shape.layers)
    chosen = 3 * shape.width * sum(map(prod, experts))
    every = 3 * shape.width * sum(width * count for width, _ in experts)
    queries = shape.heads * _count(
        own.get("attention.key_length", shape.width // max(shape.heads, 1))
    )
    attention = shape.width * (2 * queries * shape.layers + shape.cached_values)
    rest = attention + shape.vocabulary * shape.width
    return (rest + chosen) / (rest + every)


def _state_values(own: Mapping[str, Any]) -> int:
    """Values of one recurrent layer's state: of its convolution and of itself (llama.cpp)."""
    inner, state = _count(own.get("ssm.inner_size", 0)), _count(own.get("ssm.state_size", 0))
    groups = _count(own.get("ssm.group_count", 0))
    convolution = max(_count(own.get("ssm.conv_kernel", 0)) - 1, 0)
    return convolution * (inner + 2 * groups * state) + state * inner


def _recurrent_layers(own: Mapping[str, Any], layers: int) -> int:
    """Layers with a state: those without attention, or all where it is beside attention.

    A list of feed-forward parts that not every layer has tells layers that are nothing else.
    """
    if "ssm.inner_size" not in own:
        return 0
    heads = _kv_heads(own, layers, 0)
    if all(heads):
        return layers
    told = own.get("feed_forward_length")
    parts = cast("list[Any]", told) if isinstance(told, list) else []
    alone = parts if not all(parts) else [0] * layers
    return sum(1 for kv, part in zip(heads, alone, strict=False) if not kv and not part)


def _count(told: Any) -> int:
    number = int(told)
    if number < 0:
        raise ValueError(f"{number} of what cannot be less than none")
    return number


def _largest(told: Any) -> int:
    return (
        max(map(_count, cast("list[Any]", told)), default=0)
        if isinstance(told, list)
        else _count(told)
    )


def _by_layer(told: Any, layers: int) -> list[int]:
    """One number for each layer, of which a file may have told one for all."""
    if isinstance(told, list):
        return [_count(each) for each in cast("list[Any]", told)]
    return [_count(told)] * layers


def _length(told: Any) -> int:
    return len(cast("list[Any]", told)) if isinstance(told, list) else _count(told)
