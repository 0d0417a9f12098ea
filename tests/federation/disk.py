"""A disk without room, for as long as it lasts."""

import resource
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def no_room_on_disk() -> Generator[None]:
    """No file of this process may hold a byte more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
