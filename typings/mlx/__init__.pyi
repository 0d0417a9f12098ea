# MLX is an extra and its own types are partial: what we use of it is Any.

from typing import Any

def __getattr__(name: str) -> Any: ...
