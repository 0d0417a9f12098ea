# What a network remembers of its tokens.

from typing import Any

def __getattr__(name: str) -> Any: ...
