# Arrays to files.

from typing import Any

def __getattr__(name: str) -> Any: ...
