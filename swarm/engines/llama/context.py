"""A llama.cpp context: one key-value cache for all sequences, one batch, its logits."""

import ctypes
from collections.abc import Sequence as Tokens
from typing import Any

import llama_cpp
import numpy as np

from swarm.engines.llama.bindings import Model, first_complaint, forget_complaints
from swarm.engines.llama.options import KV_TYPES, LlamaOptions
from swarm.errors import GenerationFailed, ModelLoadFailed


class NoRoom(Exception):
    """No place for this batch; the cache is unchanged. A signal, never a request's error."""


class Interrupted(Exception):
    """The computation was cut short on request; the cache is as before. A signal like NoRoom."""


class Batch:
    """The tokens of one decode call. Arrays are made once and filled anew for every step."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.size = 0
        self._token = np.zeros(capacity, np.int32)
        self._position = np.zeros(capacity, np.int32)
        self._slot = np.zeros(capacity, np.int32)
        self._wanted = np.zeros(capacity, np.int8)
        self._counts = np.ones(capacity, np.int32)
        slots = self._slot.ctypes.data + np.arange(capacity) * self._slot.itemsize
        self._slot_pointers = slots.astype(np.uintp)
        self._native = llama_cpp.llama_batch(
            n_tokens=0,
            token=self._pointer(self._token, llama_cpp.llama_token),
            embd=None,
            pos=self._pointer(self._position, llama_cpp.llama_pos),
            n_seq_id=self._pointer(self._counts, ctypes.c_int32),
            seq_id=self._pointer(self._slot_pointers, ctypes.POINTER(llama_cpp.llama_seq_id)),
            logits=self._pointer(self._wanted, ctypes.c_int8),
        )

    @staticmethod
    def _pointer(array: Any, element: Any) -> Any:
        return array.ctypes.data_as(ctypes.POINTER(element))

    def clear(self) -> None:
        self.size = 0

    def add(self, tokens: Tokens[int], *, slot: int, start: int, want_logits: bool) -> int:
        """Append consecutive tokens of one slot from position `start`; the last one's row."""
        end = self.size + len(tokens)
        span = slice(self.size, end)
        self._token[span] = tokens
        self._position[span] = np.arange(start, start + len(tokens))
        self._slot[span] = slot
        self._wanted[span] = 0
        self._wanted[end - 1] = want_logits
        self.size = end
        return end - 1

    def want_all(self) -> None:
        """Results of every token, as pooled embeddings need them."""
        self._wanted[: self.size] = 1

    @property
    def native(self) -> Any:
        self._native.n_tokens = self.size
        return self._native


class Context:
    """The cache and the computation; knows slots (sequence ids) but not what they are for."""

    def __init__(self, model: Model, options: LlamaOptions, *, cells: int, slots: int) -> None:
        self.model = model
        self.cells = cells
        parameters = self._parameters(options, cells, slots)
        forget_complaints()
        self.handle: Any = llama_cpp.llama_init_from_model(model.handle, parameters)
        if not self.handle:
            raise ModelLoadFailed(
                f"no context of {cells} tokens ({options.kv_type}): {first_complaint()}; "
                "a smaller --ctx or another --kv may help"
            )
        self._memory: Any = llama_cpp.llama_get_memory(self.handle)
        # A recurrent memory knows its last state only, and goes on from nowhere else.
        self._window = 0 if model.recurrent else llama_cpp.llama_model_n_swa(model.handle)
        self.generates = bool(self._memory)
        self.batch = Batch(parameters.n_batch)
        self._interrupted = False
        self._asks_whether = llama_cpp.ggml_abort_callback(self._is_interrupted)
        self._asks_nothing = self._hook = llama_cpp.ggml_abort_callback()

    @staticmethod
    def _parameters(options: LlamaOptions, cells: int, slots: int) -> Any:
        parameters = llama_cpp.llama_context_default_params()
        parameters.n_ctx = cells
        parameters.n_batch = max(options.chunk_tokens, slots)  # llama.cpp wants room for every slot
        parameters.n_ubatch = parameters.n_batch  # one piece: it is computed whole or not at all
        parameters.n_seq_max = slots
        parameters.n_threads = parameters.n_threads_batch = options.threads
        parameters.type_k = parameters.type_v = KV_TYPES[options.kv_type]
        parameters.flash_attn_type = int(options.flash_attention)
        parameters.kv_unified = True
        parameters.swa_full = True  # a sliding window that forgot its past could not be reused
        parameters.no_perf = True
        return parameters

    def close(self) -> None:
        if self.handle:
            llama_cpp.llama_free(self.handle)
            self.handle = None

    def decode(self, *, interruptible: bool = False) -> None:
        """Compute the batch. Raises NoRoom or Interrupted with the cache as before.

        Raises GenerationFailed where llama.cpp cannot go on. An interruptible computation asks
        us at each of its nodes, about three milliseconds in all: too much for a single token.
        """
        self._interrupted = False
        hook = self._asks_whether if interruptible else self._asks_nothing
        if hook is not self._hook:  # llama.cpp logs a line each time
            self._hook = hook
            llama_cpp.llama_set_abort_callback(self.handle, hook, ctypes.c_void_p())
        status = llama_cpp.llama_decode(self.handle, self.batch.native)
        if status == 1:
            raise NoRoom
        if status == 2:
            raise Interrupted
        if status != 0:
            raise GenerationFailed(f"llama.cpp could not decode a batch (status {status})")

    def _is_interrupted(self, _data: object) -> bool:
        return self._interrupted

    def interrupt(self) -> None:
        """Cut the running computation short if it may be; called from any thread."""
        self._interrupted = True

    def logits(self, row: int) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """The logits of a row of the last batch, shape (vocabulary,); valid until `decode`."""
        pointer = llama_cpp.llama_get_logits_ith(self.handle, row)
        return np.ctypeslib.as_array(pointer, (self.model.vocabulary.size,))

    def copy(self, source: int, target: int, length: int) -> None:
        """Let `target` share the first `length` tokens of `source`; free in a unified cache."""
        llama_cpp.llama_memory_seq_cp(self._memory, source, target, 0, length)

    def intact(self, slot: int, length: int) -> bool:
        """Whether a slot still holds all that a token behind its first `length` tokens looks at.

        llama.cpp may give others the cells that a slot's own sliding window has left behind.
        """
        if not self._window:
            return True
        first = llama_cpp.llama_memory_seq_pos_min(self._memory, slot)
        return first <= max(0, length - self._window + 1)

    def truncate(self, slot: int, length: int) -> bool:
        """Forget a slot from position `length` on; False where this memory cannot be cut."""
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, slot, length, -1))

    def clear(self, slot: int) -> None:
        """Forget everything of a slot, which every kind of memory can."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot, -1, -1)
