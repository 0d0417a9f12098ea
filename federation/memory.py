"""Which federation a node is in, kept on disk as far as the disk takes it.

A full disk or a read-only folder ends nothing: the node goes on with what it knows, and what could
not be written is tried again.
"""

import asyncio
import logging
from pathlib import Path

from federation.store import Membership, Store
from private_files import STATE_ADVICE
from swarm.errors import in_words

logger = logging.getLogger(__name__)


class Memory:
    """Of the node of one folder. `trouble` says what is not on disk, while that is so."""

    def __init__(self, folder: Path) -> None:
        """Reads what there is: make it outside of the event loop. Raises ConfigurationError."""
        with in_words(f"the node's key and federation cannot be kept in {folder}", STATE_ADVICE):
            self._store = Store(folder)
            self.key = self._store.key()
            self.stored = self._store.load()
        self.folder = folder
        self._latest = self.stored
        self._writing = asyncio.Lock()
        self.trouble: str | None = None

    async def keep(self, membership: Membership) -> None:
        """Remember this one in the place of any other; where the disk refuses, later."""
        self._latest = membership
        await self.catch_up()

    async def catch_up(self) -> None:
        """Write what is not on disk yet; said once where that fails, and once when it is done."""
        async with self._writing:
            latest = self._latest
            if latest is None or latest == self.stored:
                return
            try:
                await asyncio.to_thread(self._store.save, latest)
            except OSError as error:
                self._tell(error.strerror or str(error))
                return
            self.stored = latest
            if self.trouble is not None:
                logger.info("the federation is remembered in %s now", self.folder)
            self.trouble = None

    def _tell(self, why: str) -> None:
        if self.trouble is None:
            self.trouble = (
                f"the federation cannot be remembered in {self.folder}: {why}; "
                "after a restart this node may need a PIN again"
            )
            logger.warning("%s", self.trouble)
