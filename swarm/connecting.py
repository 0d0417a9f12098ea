"""What is told of a connection that failed, in the system's words, and what lies behind."""

import os
from collections.abc import Iterator

from printable import printable

_PYTHONS = ("Connect call failed", "Multiple exceptions")
"""Beginnings of what asyncio, and aiohttp for several addresses, put in place of the system's
words."""


def system_words(error: Exception) -> str:
    """Why a connection failed, the same words each time; `error` may be aiohttp's."""
    behind = getattr(error, "os_error", error)
    told = getattr(behind, "strerror", None) or str(behind) or type(error).__name__
    number = getattr(behind, "errno", None)
    return os.strerror(number) if number and told.startswith(_PYTHONS) else printable(told)


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies behind it."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__ or getattr(cause, "os_error", None)
