"""What changes while a node runs when its settings file does: no stream is dropped for it."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Self

from api.entrance import Entrance
from api.keyring import keys_of
from api.output import set_log_level
from api.serving import forms_of, vote_weights
from api.welcome import key_warning
from ending import beside
from settings import TOML_FILE, Settings, Stamp, toml_stamp
from swarm.errors import ConfigurationError
from swarm.pool import Pool

logger = logging.getLogger(__name__)

_LIVE = ("keys", "keyless", "vote", "prompt", "prompt_file", "debug", "quiet")
"""Settings that hold at once; the others wait for the next start."""


class Changes:
    """When a file that is looked at now and then has been written whole.

    Editors empty a file before they write it: what counts is what two looks in a row have seen.
    """

    def __init__(self, stamp: object) -> None:
        self._used = self._last = stamp

    def whole(self, stamp: object) -> bool:
        """Whether what is seen now stands still and is new; true once for each change."""
        settled, self._last = stamp == self._last, stamp
        if not settled or stamp == self._used:
            return False
        self._used = stamp
        return True


class LiveSettings:
    """Reads the settings anew when their file has changed, and applies what can be.

    `settings` are those of the latest file that could be used, `stamp` is from before the first
    were read. Works from entering the context until leaving it.
    """

    def __init__(
        self,
        settings: Settings,
        stamp: Stamp,
        read: Callable[[], Settings],
        pool: Pool,
        entrance: Entrance,
        *,
        poll_s: float = 1.0,
    ) -> None:
        self.settings = settings
        self._read = read
        self._pool = pool
        self._entrance = entrance
        self._poll_s = poll_s
        self._changes = Changes(stamp)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(beside(self._watch(), f"following {TOML_FILE}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            if self._changes.whole(await asyncio.to_thread(toml_stamp)):
                await self._reread()

    async def _reread(self) -> None:
        beyond = self._entrance.where.beyond
        try:
            settings = await asyncio.to_thread(self._read)
            found = await asyncio.to_thread(keys_of, settings, beyond=beyond)
            forms = await asyncio.to_thread(forms_of, settings)
            await asyncio.to_thread(found.keep)
        except ConfigurationError as error:
            logger.warning("%s has changed and is not used: %s", TOML_FILE, error)
            return
        except (OSError, RuntimeError, ValueError):
            # The next change must be seen all the same: a key that is taken out ends then.
            logger.exception("%s has changed and is not used", TOML_FILE)
            return
        changed = [
            name
            for name in Settings.model_fields
            if getattr(settings, name) != getattr(self.settings, name)
        ]
        self._entrance.keyring.hold(found.keys)
        self._pool.weights = vote_weights(settings.vote)
        if {"prompt", "prompt_file"} & set(changed):
            self._pool.forms = forms
        set_log_level(settings)
        self.settings = settings
        self._tell(changed)
        if found.fresh or {"keys", "keyless"} & set(changed):
            warning = key_warning(found, beyond=beyond)
            if warning is not None:
                logger.warning("%s", warning)

    def _tell(self, changed: list[str]) -> None:
        live = [name for name in changed if name in _LIVE]
        later = [name for name in changed if name not in _LIVE]
        if live:
            logger.info("%s has changed: %s, in force now", TOML_FILE, ", ".join(live))
        if later:
            names = ", ".join(later)
            logger.warning("%s has changed: %s, after the next start", TOML_FILE, names)
