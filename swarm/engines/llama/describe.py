"""What a loaded GGUF file says of itself."""

import re

import llama_cpp

from swarm.engines.base import ModelInfo
from swarm.engines.llama.bindings import Model
from swarm.engines.llama.embedding import embedding_width
from swarm.engines.llama.options import LlamaOptions
from swarm.engines.sampling import DEFAULTS

SAMPLING_KEYS = {
    "temp": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "penalty_repeat": "repetition_penalty",
}
"""Names under `general.sampling.` in a GGUF file, and ours."""


def describe(model: Model, options: LlamaOptions) -> ModelInfo:
    """Collect what the node wants to know of the model."""
    vocabulary = model.vocabulary
    template = llama_cpp.llama_model_chat_template(model.handle, None)
    return ModelInfo(
        name=model.metadata("general.name") or model.path.stem,
        description=_description(model),
        architecture=model.metadata("general.architecture") or "unknown",
        parameters=llama_cpp.llama_model_n_params(model.handle),
        size_bytes=llama_cpp.llama_model_size(model.handle),
        context_tokens=options.context_tokens,
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
