# mlx-lm is an extra and has few types of its own: what we use of it is Any.

from typing import Any

def __getattr__(name: str) -> Any: ...
