"""A disk without room, for as long as it lasts."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest


@contextmanager
def no_room_on_disk() -> Generator[None]:
    """No file of this process may hold a byte more."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
