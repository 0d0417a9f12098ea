"""The model that takes the bundled one's place: brought here while that one answers.

From a peer first, then from the hub. Where it cannot be had the bundled one goes on, and why is
said once and kept.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, TypeAlias

from swarm.engines.resident import Resident
from swarm.errors import SwarmError
from swarm.models.local import LocalModel, brought_model
from swarm.models.progress import shown
from swarm.models.wanted import Moved, Wanted
from swarm.pool import Pool

logger = logging.getLogger(__name__)

Stage: TypeAlias = Literal["waiting", "copying", "downloading", "loading", "serving", "failed"]

Copy: TypeAlias = Callable[[Wanted, Moved], Awaitable[bool]]
"""Copies the files of a model from a peer to where the hub's cache has such; whether one had them.

Raises OSError.
"""

Download: TypeAlias = Callable[[Wanted, Moved], Awaitable[Path]]
"""Gives the model that is copied already, or downloads the hub's. Raises ConfigurationError."""


class Successor:
    """A model on its way here, and what has become of it; `why` it failed, if it did."""

    def __init__(
        self,
        wanted: Wanted,
        size_bytes: int,
        *,
        copy: Copy | None,
        download: Download,
        make: Callable[[LocalModel], Resident],
    ) -> None:
        self.wanted = wanted
        self.size_bytes = size_bytes
        self.stage: Stage = "waiting"
        self.moved_bytes = 0
        self.why: str | None = None
        self._copy = copy
        self._download = download
        self._make = make

    async def take_over(self, pool: Pool) -> None:
        """Bring the model, load it, make it the pool's default; the pool's loading has begun."""
        before = pool.models[0].id
        try:
            path = await self._brought()
            self.stage = "loading"
            resident = await asyncio.to_thread(self._resident, path)
            pool.add(resident, tool_calls=self.wanted.tool_calls)
            async with pool.loading.held(self.wanted.id):
                pool.lead_with(self.wanted.id)
        except (SwarmError, OSError) as error:
            self.stage, self.why = "failed", str(error)
            logger.warning("%s stays the default model: %s", before, error)
        else:
            self.stage = "serving"
            told = (
                "%s is the default model now; %s is still there by its id; where OpenCode uses "
                "this node, run `python main.py --opencode` there again for the new limits"
            )
            logger.info(told, self.wanted.id, before)

    def _resident(self, path: Path) -> Resident:
        return self._make(brought_model(self.wanted, path))

    async def _brought(self) -> Path:
        with shown(self.wanted.id, self.size_bytes) as show:

            def moved(count: int) -> None:
                self.moved_bytes = count
                show(count)

            if self._copy is not None and self.wanted.files:
                self.stage = "copying"
                try:
                    await self._copy(self.wanted, moved)
                except OSError as error:  # such as a full disk, of which the hub's way says more
                    logger.warning("%s: no copy from a peer: %s", self.wanted.id, error)
            self.stage = "downloading"
            return await self._download(self.wanted, moved)
