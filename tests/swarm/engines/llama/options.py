"""Options of an engine for a test: a file's usual cache, as if memory were no matter."""

from pathlib import Path
from typing import Any

from swarm.engines.llama.options import LlamaOptions
from swarm.models.header import read_header
from swarm.models.memory import CELLS_AT_LEAST, CONTEXT_TOKENS, usual_cache


def options_for(path: Path, **changes: Any) -> LlamaOptions:
    """One thread, every layer offloaded where there is a device, and the changes."""
    size = usual_cache(read_header(path).context_tokens, max(CONTEXT_TOKENS, CELLS_AT_LEAST))
    usual = {"context_tokens": size.context_tokens, "cells": size.cells, "gpu_layers": -1}
    return LlamaOptions(path, **{**usual, "threads": 1, **changes})
