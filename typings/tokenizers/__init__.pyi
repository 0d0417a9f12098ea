# Part of the extra that mlx-lm is: what we use of it is Any.

from typing import Any

def __getattr__(name: str) -> Any: ...
