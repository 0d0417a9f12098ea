"""Loads an MLX folder: weights by mlx-lm, and what the node wants to know of the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.models.cache import can_trim_prompt_cache, make_prompt_cache
from mlx_lm.utils import get_total_parameters, load_model

from swarm.engines.base import ModelInfo
from swarm.engines.mlx.folder import Folder, read_folder
from swarm.engines.mlx.options import MlxOptions
from swarm.engines.mlx.probe import NETWORK_ERRORS, most_at_once
from swarm.engines.mlx.room import Room, layer_sizes
from swarm.engines.mlx.vocabulary import Vocabulary
from swarm.engines.sampling import DEFAULTS
from swarm.errors import ConfigurationError, ModelLoadFailed
from swarm.models.memory import CONTEXT_TOKENS


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model that has decoded a token, its vocabulary, and the room for its caches."""

    network: Any
    vocabulary: Vocabulary
    info: ModelInfo
    room: Room


def load_folder(options: MlxOptions) -> Model:
    """Raises ModelLoadFailed; ConfigurationError where the context asked for does not fit."""
    folder = read_folder(options.path)
    network = _network(options.path)
    layers = make_prompt_cache(network)
    cuttable = can_trim_prompt_cache(layers)
    width = _decode_one(network, layers)
    room = Room(options.memory_bytes, layer_sizes(layers, tokens=1))
    vocabulary = Vocabulary(folder, width)
    sequences = most_at_once(network, vocabulary=width, wanted=options.sequences, cuttable=cuttable)
    info = ModelInfo(
        name=options.path.name,
        description=_description(folder, network),
        architecture=str(folder.config.get("model_type", "unknown")),
        parameters=get_total_parameters(network),
        size_bytes=sum(array.nbytes for _, array in _arrays(network)),
        context_tokens=_context_tokens(folder, room, options.context_tokens),
        trained_context_tokens=_trained_tokens(folder),
        vocabulary=vocabulary.size,
        chat_template=folder.chat_template,
        bos_token=vocabulary.bos,
        eos_token=vocabulary.eos,
        max_sequences=sequences,
        prefix_cuttable=cuttable,
        sampling={**DEFAULTS, **folder.sampling},
    )
    return Model(network, vocabulary, info, room)


def _network(path: Path) -> Any:
    try:
        return load_model(path)[0]
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        # mlx-lm raises what its parts raise: no such class, no such weight, no such file.
        raise ModelLoadFailed(f"{path} cannot be loaded: {error}") from error


def _decode_one(network: Any, layers: list[Any]) -> int:
    """How many tokens the network tells apart: not every config.json says its vocab_size."""
    try:
        logits = network(mx.array([[0]]), cache=layers)
        mx.eval(logits, [layer.state for layer in layers])
    except NETWORK_ERRORS as error:
        raise ModelLoadFailed(f"the model loads but cannot decode: {error}") from error
    return int(logits.shape[-1])


def _arrays(network: Any) -> list[tuple[str, Any]]:
    return tree_flatten(network.parameters())


def _trained_tokens(folder: Folder) -> int:
    return int(folder.shape("max_position_embeddings") or CONTEXT_TOKENS)


def _context_tokens(folder: Folder, room: Room, asked: int | None) -> int:
    affordable = room.longest_tokens
    if asked is not None and asked > affordable:
        raise ConfigurationError(
            f"a context of {asked} tokens needs {room.sequence_bytes(asked) / 1e9:.1f} GB for its "
            f"key-value cache, but {room.memory_bytes / 1e9:.1f} GB are free for it: "
            f"at most {affordable} tokens fit (--ctx)"
        )
    return asked or min(_trained_tokens(folder), CONTEXT_TOKENS, affordable)


def _description(folder: Folder, network: Any) -> str:
    """Such as `llama 7.0M 8-bit`."""
    parameters = get_total_parameters(network)
    size = f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"
    quantization: Any = folder.config.get("quantization") or {}
    kind = f"{quantization['bits']}-bit" if "bits" in quantization else _width(network)
    return f"{folder.config.get('model_type', 'unknown')} {size} {kind}"


def _width(network: Any) -> str:
    return str(_arrays(network)[0][1].dtype).removeprefix("mlx.core.")
