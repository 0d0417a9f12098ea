"""The one door of a node to others: the pairing door while it is alone, else the peer door.

Both have the same port, so that a firewall opens one.
"""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from federation.era import Era
from federation.pairing import Joined, PairingDoor
from federation.pin import Pin
from hardware.listener import holder_of

logger = logging.getLogger(__name__)

TRIES_UNTOLD = 10
"""An address that has just come cannot be used for a few seconds, until IPv6 is sure that nobody
else has it; a door is tried twice a second.
"""


class Doors:
    """Opens the right door; `trouble` says why others cannot come in, while that is so."""

    def __init__(
        self,
        node_id: str,
        pin: Pin,
        *,
        port: int,
        on_joined: Callable[[Joined], Awaitable[None]],
    ) -> None:
        self.trouble: str | None = None
        self._node_id = node_id
        self._pin = pin
        self._port = port
        self._on_joined = on_joined
        self._pairing: PairingDoor | None = None
        self._tries = 0
        self._stack = AsyncExitStack()

    @property
    def pairing_port(self) -> int:
        """Of the pairing door; 0 while it is closed."""
        return self._pairing.port if self._pairing else 0

    async def open_right(self, era: Era | None, *, alone: bool, hosts: Sequence[str]) -> None:
        """The pairing door of a node that is alone, else the peer door of `era`; never both."""
        if alone:
            if era is not None:
                await era.close_door()
            await self._open_pairing(hosts)
        else:
            await self.close_pairing()
            await self._open_peer_door(era, hosts)

    def are_right(self, era: Era | None, *, alone: bool) -> bool:
        """Whether the door that should be open is, everywhere."""
        return self._pairing is not None if alone else era is not None and era.is_open

    async def close_pairing(self) -> None:
        """Be approved by nobody."""
        self._pairing = None
        await self._stack.aclose()

    async def _open_peer_door(self, era: Era | None, hosts: Sequence[str]) -> None:
        if era is None or era.is_open:
            return
        if era.port:
            await era.move_door(hosts)
            return
        try:
            await era.open_door(hosts, self._port)
            self._opened("the peer door listens now")
        except OSError as error:
            await self.tell("the peer door cannot listen", error)

    async def _open_pairing(self, hosts: Sequence[str]) -> None:
        if self._pairing is not None or not hosts:
            return
        door = PairingDoor(
            self._node_id,
            self._pin,
            addresses=hosts,
            on_joined=self._on_joined,
            port=self._port,
        )
        try:
            async with AsyncExitStack() as stack:
                self._pairing = await stack.enter_async_context(door)
                self._stack = stack.pop_all()
            self._opened("this machine can be paired with now")
        except OSError as error:
            await self.tell("nobody can pair with this machine", error)

    async def tell(self, what: str, error: OSError) -> None:
        """What cannot be, and why; said once while it lasts, and taken back when it is over."""
        self._tries += 1
        not_ready = error.errno == errno.EADDRNOTAVAIL and self._tries <= TRIES_UNTOLD
        if self.trouble is not None or not_ready:
            return
        where = f" ({error.filename})" if error.filename else ""
        told = f"{what}: {error.strerror or error}{where}"
        if error.errno == errno.EADDRINUSE:
            holder = await asyncio.to_thread(holder_of, self._port)
            told += f"; {holder or 'another program'} has port {self._port}: "
            told += "choose another with --peer-port N"
        self.trouble = told
        logger.error("%s", told)

    def _opened(self, told: str) -> None:
        if self.trouble is not None:
            logger.info(told)
        self.trouble, self._tries = None, 0
