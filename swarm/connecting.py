"""What is told of a connection that failed: the system's words, without objects of Python's."""

import os

from printable import printable

_PYTHONS = ("Connect call failed", "Multiple exceptions")
"""So begins what asyncio, and aiohttp for several addresses, put in place of the system's words."""


def system_words(error: Exception) -> str:
    """Why a connection failed, the same words each time; `error` may be aiohttp's."""
    behind = getattr(error, "os_error", error)
    told = getattr(behind, "strerror", None) or str(behind) or type(error).__name__
    number = getattr(behind, "errno", None)
    return os.strerror(number) if number and told.startswith(_PYTHONS) else printable(told)
