"""The state folder of a node among others: one lives in it at a time.

Two would have one node id, and each would write over what the other one remembers.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from filelock import lock_descriptor

from ending import whole
from hardware.listener import opener_of
from private_files import make_private_folder
from swarm.errors import ConfigurationError

logger = logging.getLogger(__name__)

LOCK_FILE = "lock"
"""In the folder: always empty. The system lets go of it however its node ends."""


@asynccontextmanager
async def lived_in(folder: Path) -> AsyncGenerator[None]:
    """No other node lives there while the block runs, as far as the file system can tell.

    Raises ConfigurationError where one does.
    """
    with ExitStack() as stack:
        await whole(asyncio.to_thread(lambda: stack.enter_context(locked(folder))))
        yield


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """The same for what blocks."""
    try:
        make_private_folder(folder)
    except OSError:  # whoever writes there says what is to be done
        yield
        return
    file = folder / LOCK_FILE
    with ExitStack() as stack:
        try:
            descriptor = _opened(file)
            stack.callback(os.close, descriptor)
            if not lock_descriptor(descriptor, blocking=False):
                raise _taken(file)
        except OSError as error:
            logger.warning(
                "whether another node lives in %s cannot be seen: %s",
                folder,
                error.strerror or error,
            )
        yield


def _opened(file: Path) -> int:
    """To write, without which NFS locks nothing; a read-only folder lets it be read."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        if not file.exists():
            raise
        return os.open(file, os.O_RDONLY)


def _taken(file: Path) -> ConfigurationError:
    process = opener_of(file)
    named = f" (process {process})" if process else ""
    return ConfigurationError(
        f"another node{named} lives in {file.parent}: end it, or give this one a folder of its own "
        "with --state DIR"
    )
