"""The GPUs as llama.cpp counts them, and what each of them gets of a plan."""

import ctypes
import logging
from collections.abc import Sequence
from pathlib import Path

import llama_cpp
from llama_cpp._ctypes_extensions import load_shared_library

from swarm.engines.llama.options import Share

logger = logging.getLogger(__name__)

_GPU = 1
"""ggml's number for a device with memory of its own (ggml-backend.h)."""


def layers_by_device(planned: Sequence[Share]) -> list[int]:
    """Layers of each GPU, in llama.cpp's order; none leaves it to llama.cpp.

    By itself it would fill all to the same part, also one that has no room beside a layer.
    """
    if not planned:
        return []
    free = _free_bytes()
    if len(free) != len(planned):
        logger.warning(
            "llama.cpp finds %d GPUs where %d were planned with: it spreads the layers by itself",
            len(free),
            len(planned),
        )
        return []
    return by_free_memory(planned, free)


def by_free_memory(planned: Sequence[Share], free_bytes: Sequence[int]) -> list[int]:
    """What was planned for the device with the most free memory, for the one that has it now.

    Each interface has an order of its own, which the owner's environment may change.
    """
    shares = sorted(planned, key=lambda share: share.free_bytes, reverse=True)
    order = sorted(range(len(free_bytes)), key=lambda at: free_bytes[at], reverse=True)
    layers = dict(zip(order, (share.layers for share in shares), strict=True))
    return [layers[at] for at in range(len(free_bytes))]


def _free_bytes() -> list[int]:
    """Of each GPU with memory of its own; beside such llama.cpp uses no others."""
    folder = Path(llama_cpp.__file__).parent / "lib"
    ggml, base = (load_shared_library(name, folder) for name in ("ggml", "ggml-base"))
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    base.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    size = ctypes.POINTER(ctypes.c_size_t)
    base.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, size, size]
    base.ggml_backend_dev_memory.restype = None
    devices = [ggml.ggml_backend_dev_get(at) for at in range(ggml.ggml_backend_dev_count())]
    found: list[int] = []
    for device in devices:
        if base.ggml_backend_dev_type(device) == _GPU:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            base.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            found.append(free.value)
    return found
