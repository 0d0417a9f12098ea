"""What a loaded GGUF file says of itself, and how large a cache it gets."""

import re

import llama_cpp

from swarm.engines.base import ModelInfo
from swarm.engines.llama.bindings import Model
from swarm.engines.llama.embedding import embedding_width
from swarm.engines.llama.options import LlamaOptions
from swarm.engines.sampling import DEFAULTS
from swarm.errors import ConfigurationError
from swarm.models.header import read_header
from swarm.models.memory import CacheSize, usual_cache

SAMPLING_KEYS = {
    "temp": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "penalty_repeat": "repetition_penalty",
}
"""Names under `general.sampling.` in a GGUF file, and ours."""


def size_of_cache(model: Model, options: LlamaOptions) -> CacheSize:
    """Choose the cache's size from the memory that it may take.

    Raises ConfigurationError where what the owner asked for does not fit.
    """
    trained = llama_cpp.llama_model_n_ctx_train(model.handle)
    shape = read_header(model.path).shape
    cell_bytes = shape.cell_bytes(options.kv_type, flash=options.flash_attention)
    return fit_cache(trained, cell_bytes, options)


def fit_cache(trained_tokens: int, bytes_per_cell: int, options: LlamaOptions) -> CacheSize:
    """The pure part of `size_of_cache`."""
    affordable = max(options.memory_bytes // bytes_per_cell, 1)
    asked = max(options.context_tokens or 0, options.cells or 0)
    if asked > affordable:
        raise ConfigurationError(
            f"a context of {asked} tokens needs {asked * bytes_per_cell / 1e9:.1f} GB for its "
            f"key-value cache, but {options.memory_bytes / 1e9:.1f} GB are free for it: "
            f"at most {affordable} tokens fit (--ctx), more with a smaller --kv type"
        )
    usual = usual_cache(trained_tokens, affordable)
    context = options.context_tokens or usual.context_tokens
    wanted = options.cells or options.context_tokens or usual.cells
    return CacheSize(context, max(context, wanted))


def layers_on_gpu(options: LlamaOptions) -> int:
    """How many layers to offload, -1 for all, which is what nobody's word means."""
    return -1 if options.gpu_layers is None else options.gpu_layers


def describe(model: Model, options: LlamaOptions, *, context_tokens: int) -> ModelInfo:
    """Collect what the node wants to know of the model."""
    vocabulary = model.vocabulary
    template = llama_cpp.llama_model_chat_template(model.handle, None)
    return ModelInfo(
        name=model.metadata("general.name") or model.path.stem,
        description=_description(model),
        architecture=model.metadata("general.architecture") or "unknown",
        parameters=llama_cpp.llama_model_n_params(model.handle),
        size_bytes=llama_cpp.llama_model_size(model.handle),
        context_tokens=context_tokens,
        trained_context_tokens=llama_cpp.llama_model_n_ctx_train(model.handle),
        vocabulary=vocabulary.size,
        chat_template=template.decode(errors="replace") if template else None,
        bos_token=vocabulary.written(vocabulary.bos),
        eos_token=vocabulary.written(vocabulary.eos),
        max_sequences=options.sequences,
        prefix_cuttable=not model.recurrent,
        embedding_width=embedding_width(model),
        sampling={**DEFAULTS, **options.sampling, **_sampling(model)},
    )


def _description(model: Model) -> str:
    """Such as `llama 5.9M Q8_0`; llama.cpp's own line does not know small models' sizes."""
    parameters = llama_cpp.llama_model_n_params(model.handle)
    size = f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.1f}M"
    description = model.description()
    return f"{description.partition(' ')[0]} {size} {quantisation_of(description)}"


def quantisation_of(description: str) -> str:
    """The end of llama.cpp's own line, such as `qwen2 7B Q4_K - Medium`: several words."""
    found = re.fullmatch(r"\S+ \S+(?: \([^)]*\))? (.+)", description)
    return found[1] if found else description


def _sampling(model: Model) -> dict[str, float]:
    """What the file itself recommends."""
    found = {name: model.metadata(f"general.sampling.{key}") for key, name in SAMPLING_KEYS.items()}
    return {name: float(value) for name, value in found.items() if value is not None}
