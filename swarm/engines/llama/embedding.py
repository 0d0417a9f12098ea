"""Texts as vectors: a llama.cpp context of its own beside the one that generates."""

from collections.abc import Sequence
from typing import Any

import llama_cpp
import numpy as np

from swarm.engines.base import Embedding
from swarm.engines.llama.bindings import Model, first_complaint, forget_complaints
from swarm.engines.llama.context import Batch
from swarm.engines.llama.options import KV_TYPES, LlamaOptions
from swarm.engines.prompts import most_counted, overflow
from swarm.errors import GenerationFailed, InvalidRequest

EMBEDDED_TOKENS = 2048
"""A longer text is refused: it is computed in one piece, whose memory grows with its length."""


def embedding_width(model: Model) -> int:
    """Numbers in a vector; 0 for a model that ranks instead."""
    ranks = _told_pooling(model) == llama_cpp.LLAMA_POOLING_TYPE_RANK
    return 0 if ranks else int(llama_cpp.llama_model_n_embd(model.handle))


class Embedder:
    """Makes vectors of length 1, pooled as the model's file says, else the mean of all tokens."""

    def __init__(self, model: Model, options: LlamaOptions, *, trained_tokens: int) -> None:
        self._model = model
        self.tokens = min(trained_tokens, EMBEDDED_TOKENS)
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = self.tokens
        parameters.n_seq_max = 1
        parameters.n_threads = parameters.n_threads_batch = options.threads
        parameters.type_k = parameters.type_v = KV_TYPES[options.kv_type]
        parameters.flash_attn_type = int(options.flash_attention)
        parameters.embeddings = True
        if _told_pooling(model) is None:
            parameters.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_MEAN
        parameters.no_perf = True
        forget_complaints()
        self._handle: Any = llama_cpp.llama_init_from_model(model.handle, parameters)
        if not self._handle:
            raise GenerationFailed(f"no memory for embeddings: {first_complaint()}")
        self._memory: Any = llama_cpp.llama_get_memory(self._handle)
        self._batch = Batch(self.tokens)

    def close(self) -> None:
        llama_cpp.llama_free(self._handle)

    def embed(self, text: str | Sequence[int]) -> Embedding:
        """The vector of a text. Raises InvalidRequest, ContextOverflow, GenerationFailed."""
        vocabulary = self._model.vocabulary
        tokens = self._tokens(text) if isinstance(text, str) else text
        if not tokens:
            raise InvalidRequest("an input is empty; it needs at least one token", param="input")
        if not all(0 <= token < vocabulary.size for token in tokens):
            raise InvalidRequest(
                f"token ids of this model are 0 to {vocabulary.size - 1}", param="input"
            )
        if len(tokens) > self.tokens:
            raise overflow(len(tokens), self.tokens)
        llama_cpp.llama_memory_clear(self._memory, True)
        self._batch.clear()
        self._batch.add(tokens, slot=0, start=0, want_logits=True)
        self._batch.want_all()
        status = llama_cpp.llama_decode(self._handle, self._batch.native)
        pointer = llama_cpp.llama_get_embeddings_seq(self._handle, 0)
        if status != 0 or not pointer:
            raise GenerationFailed(f"llama.cpp made no embedding (status {status})")
        width = embedding_width(self._model)
        vector = np.ctypeslib.as_array(pointer, (width,)).astype(np.float64)
        return Embedding(tuple((vector / max(np.linalg.norm(vector), 1e-12)).tolist()), len(tokens))

    def _tokens(self, text: str) -> list[int]:
        return self._model.vocabulary.tokenize_whole(text, most=most_counted(self.tokens))


def _told_pooling(model: Model) -> int | None:
    """The way of pooling that the file names, None if it names none."""
    architecture = model.metadata("general.architecture")
    told = model.metadata(f"{architecture}.pooling_type")
    return int(told) if told and int(told) != llama_cpp.LLAMA_POOLING_TYPE_NONE else None
