"""One federation's time: client, peer door and heartbeats of one secret, begun and ended at once.

A new secret is a new era. Knows nothing of discovery, pairing and files.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Self

from ending import beside
from federation.client import PeerClient
from federation.heartbeats import Heartbeats
from federation.peer import Change
from federation.peers import PeerTable
from federation.server import Callbacks, PeerDoor
from federation.stragglers import Stragglers
from federation.trust import Credentials
from federation.wire import Status

logger = logging.getLogger(__name__)


class Era:
    """What runs while a node is in one federation; the peer door only once it is opened."""

    def __init__(
        self,
        credentials: Credentials,
        table: PeerTable[Status],
        callbacks: Callbacks,
        stragglers: Stragglers,
        *,
        changed: Callable[[list[Change[Status]]], None],
        clock: Callable[[], float],
    ) -> None:
        self._credentials = credentials
        self._table = table
        self._callbacks = callbacks
        self._stragglers = stragglers
        self._changed = changed
        self._clock = clock
        self._stack = AsyncExitStack()
        self._door_stack = AsyncExitStack()
        self._client: PeerClient | None = None
        self._door: PeerDoor | None = None

    @property
    def client(self) -> PeerClient:
        """Raises RuntimeError before the era has begun."""
        if self._client is None:
            raise RuntimeError("an era is entered before it is used")
        return self._client

    @property
    def port(self) -> int:
        """The port of the open peer door, 0 while it is closed."""
        return self._door.port if self._door else 0

    @property
    def is_open(self) -> bool:
        """Whether peers can call at every address that was wished for."""
        return self._door is not None and not self._door.missing

    async def __aenter__(self) -> Self:
        plain, named = await asyncio.gather(
            asyncio.to_thread(self._credentials.client_context),
            asyncio.to_thread(self._credentials.client_context, named=True),
        )
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(PeerClient(plain, named))
            heartbeats = Heartbeats(
                self._table,
                self._client,
                status=self._callbacks.status,
                changed=self._changed,
                clock=self._clock,
            )
            for what, work in (
                ("heartbeats", heartbeats.run()),
                ("stragglers", self._stragglers.run()),
            ):
                await stack.enter_async_context(beside(work, what))
            stack.push_async_callback(self.close_door)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def open_door(self, hosts: Sequence[str], port: int) -> None:
        """Listen for peers there, and no longer where it was before. Raises OSError."""
        await self.close_door()
        if not hosts:
            return
        context = await asyncio.to_thread(self._credentials.server_context)
        async with AsyncExitStack() as stack:
            door = PeerDoor(self._callbacks, context, hosts=hosts, port=port)
            self._door = await stack.enter_async_context(door)
            self._door_stack = stack.pop_all()

    async def move_door(self, hosts: Sequence[str]) -> None:
        """Listen there instead, if the door is open; the answers that are on their way go on."""
        if self._door is None:
            return
        try:
            await self._door.listen(hosts)
        except OSError:
            await self.close_door()  # whoever opens it again tells why that fails
        if not hosts:
            await self.close_door()

    async def close_door(self) -> None:
        """Hear peers no longer."""
        self._door = None
        await self._door_stack.aclose()
