"""Asks every peer how it is when its time has come; tells the table, and what changed.

The table decides whom and when. A probe is a call of a second at most, or two where the id is not
known yet, and never waits for another.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from ending import ended
from federation.endpoint import PeerEndpoint
from federation.peer import Address, Change, Peer, Step
from federation.peers import PeerTable
from federation.wire import Status
from swarm.errors import PeerError, PeerTimedOut, PeerUnreachable, UntrustedPeer

TICK_S = 0.1
_FORGET_EVERY_S = 5.0


class Caller(Protocol):
    """Calls a peer door."""

    async def heartbeat(self, endpoint: PeerEndpoint, own: Status) -> Status: ...


class Heartbeats:
    """The probes of one federation, until `run` is cancelled."""

    def __init__(
        self,
        table: PeerTable[Status],
        caller: Caller,
        *,
        status: Callable[[], Status],
        changed: Callable[[list[Change[Status]]], None],
        clock: Callable[[], float],
    ) -> None:
        self._table = table
        self._caller = caller
        self._status = status
        self._changed = changed
        self._clock = clock
        self._probes: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Probe for ever."""
        forget_s = self._clock()
        try:
            while True:
                now_s = self._clock()
                for peer in self._table.due(now_s):
                    probe = asyncio.create_task(self.probe(peer))
                    self._probes.add(probe)
                    probe.add_done_callback(self._ended)
                if now_s >= forget_s:
                    self._table.forget_old(now_s)
                    forget_s = now_s + _FORGET_EVERY_S
                await asyncio.sleep(TICK_S)
        finally:
            await ended(*self._probes)

    async def probe(self, peer: Peer[Status]) -> None:
        """Ask one peer, at its best address; what it says is believed when TLS proved its id."""
        address = peer.address
        if address is None:
            return
        try:
            status = await self._proved(peer, address)
        except PeerError as error:
            step, now_s = failed_step(error), self._clock()
            told = self._table.failed(peer.key, step, str(error), now_s, at=address)
            self._changed(told)
            return
        told = self._table.heard(address, status.node, status, self._clock(), name=status.name)
        self._changed(told)

    async def _proved(self, peer: Peer[Status], address: Address) -> Status:
        """Its status. Who it is, is its own word until a second call was made to that very id."""
        endpoint = PeerEndpoint.of(address, peer.node_id)
        status = await self._caller.heartbeat(endpoint, self._status())
        if endpoint.name is not None or status.node == self._status().node:
            return status
        if not status.node.startswith(peer.node_id):
            raise UntrustedPeer(f"another node answers there: {status.node[:8]}")
        proved = PeerEndpoint.of(address, status.node)
        return await self._caller.heartbeat(proved, self._status())

    def _ended(self, probe: asyncio.Task[None]) -> None:
        self._probes.discard(probe)
        if not probe.cancelled():
            probe.result()


def failed_step(error: PeerError) -> Step:
    """Which of a peer's states the error keeps it from."""
    match error:
        case PeerUnreachable() | PeerTimedOut():
            return "reachable"
        case UntrustedPeer():
            return "authenticated"
        case _:
            return "ready"
