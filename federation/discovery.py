"""Announces this node over mDNS and hears of others.

What it hears is a hint, read again by `sightings`, handed on at a bounded rate, and never proof.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import ip_address
from typing import Self

from zeroconf import (
    DNSAddress,  # pyright: ignore[reportPrivateImportUsage]  # older than __all__, and kept
    DNSRecord,  # pyright: ignore[reportPrivateImportUsage]
    DNSText,  # pyright: ignore[reportPrivateImportUsage]
    NotRunningException,
    ServiceStateChange,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from ending import beside, ended
from federation.advertisement import Advertisement, encode_txt, is_instance_name
from federation.backlog import Backlog
from federation.discovery_state import DiscoveryState, Pace
from federation.mdns import SERVICE, Ear, newest_txt, one_a_socket, register, socket_choice, update
from federation.sightings import Sighting, read_sighting, unreadable
from hardware.interfaces import LanAddress, can_bind

logger = logging.getLogger(__name__)

_TTL_S = 120
_SAY_AGAIN_S = 1.0
_SHORTFALLS_TOLD = 4
_ASKING = 16
_TICKS_PER_S = 16
_COPIED = (
    "it has this node's id: its folder was copied to another machine; end one of the two nodes, "
    "delete key.pem and federation.json in its folder, and start it again"
)


class Discovery:
    """The announcement of one node, `name` being its instance name, and the ear for others.

    `on_sighting` and `on_gone` are called in the event loop and must not block. A sighting of
    the same node comes again whenever it is announced again. Without addresses, or where they
    cannot be used, it waits and tries again; `state` says why.
    """

    def __init__(
        self,
        name: str,
        advertisement: Advertisement,
        addresses: Sequence[LanAddress],
        *,
        on_sighting: Callable[[Sighting], None],
        on_gone: Callable[[str], None],
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._advertisement = advertisement
        self._addresses = tuple(addresses)
        self._on_sighting = on_sighting
        self._on_gone = on_gone
        self._pace = pace or Pace()
        self._clock = clock
        self._state = DiscoveryState(self._addresses, is_open=False)
        self._backlog = Backlog(self._pace.backlog)
        self._backlog_grew = asyncio.Event()
        self._flood_told = False
        self._shortfalls = 0
        self._care_at_s = 0.0
        self._opened_s = 0.0
        self._lock = asyncio.Lock()
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._work = AsyncExitStack()
        self._announcing: set[asyncio.Future[None]] = set()
        self._asking: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        # What its warnings are about stands in the state; a flood would fill the log with them.
        logging.getLogger("zeroconf").setLevel(logging.ERROR)
        async with self._lock:
            await self._open()
        for work in (self._look(), self._care()):
            await self._work.enter_async_context(beside(work, "discovery"))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._work.aclose()
        async with self._lock:
            await self._close(goodbye=True)

    def state(self) -> DiscoveryState:
        """How discovery stands now."""
        return self._state

    async def advertise(self, advertisement: Advertisement) -> None:
        """Say something else from now on; those who listen hear it at once."""
        async with self._lock:
            self._advertisement = advertisement
            if self._zeroconf is not None:
                await ended(*self._announcing)
                self._repeat(await update(self._zeroconf, self._info()), self._zeroconf)

    async def move(self, addresses: Sequence[LanAddress]) -> None:
        """Use these addresses from now on; the same ones change nothing."""
        async with self._lock:
            if tuple(addresses) == self._addresses:
                return
            self._addresses = tuple(addresses)
            self._shortfalls = 0
            await self._close(goodbye=False)
            # What was heard on the network before says nothing of this one.
            self._state = replace(self._state, heard_self_s=None, heard_others_s=None)
            await self._open()

    async def _open(self) -> None:
        """Sockets, announcement, question. What fails is in the state and tried again."""
        self._opened_s = self._clock()
        self._care_at_s = self._opened_s + self._pace.ask_again_s
        wanted = one_a_socket(self._addresses)
        choices = [socket_choice(known) for known in wanted if can_bind(known)]
        self._state = replace(
            self._state,
            addresses=self._addresses,
            is_open=False,
            flooded=False,
            opened=self._state.opened + 1,
        )
        if not wanted:
            self._shortfalls = 0
            self._state = replace(self._state, last_error="no address on a LAN")
            return
        try:
            self._zeroconf = AsyncZeroconf(interfaces=choices)
            await self._zeroconf.zeroconf.async_wait_for_start()
        except (OSError, RuntimeError, NotRunningException) as error:
            await self._close(goodbye=False)
            self._fell_short(f"multicast cannot be used: {error}")
            return
        await self._begin(self._zeroconf)
        missing = len(wanted) - len(self._zeroconf.zeroconf.engine.senders)
        self._state = replace(self._state, is_open=missing < len(wanted))
        if missing:
            self._fell_short(f"{missing} of {len(wanted)} addresses cannot be used for multicast")
            return
        self._shortfalls = 0
        self._state = replace(self._state, last_error=None)

    async def _begin(self, zeroconf: AsyncZeroconf) -> None:
        zeroconf.zeroconf.async_add_listener(Ear(self._heard), None)
        self._repeat(await register(zeroconf, self._info()), zeroconf)
        self._browser = self._ask(zeroconf.zeroconf)

    def _fell_short(self, reason: str) -> None:
        """Told when it lasts: an interface that comes up needs a moment until it can be used."""
        pause_s = self._pace.retry_s * 2.0 ** min(self._shortfalls, 8)
        self._care_at_s = self._clock() + min(pause_s, self._pace.retry_max_s)
        self._shortfalls += 1
        if self._shortfalls == _SHORTFALLS_TOLD:
            logger.warning("discovery: %s; it is tried again", reason)
        self._state = replace(self._state, last_error=reason)

    async def _close(self, *, goodbye: bool) -> None:
        await ended(*self._asking)
        await ended(*self._announcing)
        browser, self._browser = self._browser, None
        zeroconf, self._zeroconf = self._zeroconf, None
        if browser is not None:
            await browser.async_cancel()
        if zeroconf is None:
            return
        if not goodbye:
            registry = zeroconf.zeroconf.registry
            registry.async_remove(registry.async_get_service_infos())
        await zeroconf.async_close()

    def _info(self) -> AsyncServiceInfo:
        said = self._advertisement
        return AsyncServiceInfo(
            SERVICE,
            f"{self._name}.{SERVICE}",
            port=said.port or said.pairing,
            properties=encode_txt(said),
            server=f"{self._name}.local.",
            parsed_addresses=[address.address for address in self._addresses],
            host_ttl=_TTL_S,
            other_ttl=_TTL_S,
        )

    def _repeat(self, first: asyncio.Future[None], zeroconf: AsyncZeroconf) -> None:
        again = asyncio.create_task(self._say_again(first, zeroconf))
        for task in (first, again):
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)

    async def _say_again(self, first: asyncio.Future[None], zeroconf: AsyncZeroconf) -> None:
        """zeroconf says it three times in half a second, and a listener passes over a packet
        like one of the last 0.8 s: what was said, taken back and said again needs more."""
        await first
        await asyncio.sleep(_SAY_AGAIN_S)
        await (await update(zeroconf, self._info()))

    def _ask(self, zeroconf: Zeroconf) -> AsyncServiceBrowser:
        return AsyncServiceBrowser(zeroconf, SERVICE, handlers=[self._changed])

    def _changed(
        self,
        zeroconf: Zeroconf,  # noqa: ARG002 - zeroconf calls by keyword
        service_type: str,  # noqa: ARG002
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        self._queue(name, gone=state_change is ServiceStateChange.Removed)

    def _heard(self, records: list[DNSRecord]) -> None:
        """One packet. zeroconf keeps quiet of what it knows already; a word taken back and said
        again would be lost, so each announcement counts."""
        for record in records:
            if isinstance(record, DNSText) and record.name.endswith(SERVICE) and record.ttl:
                self._queue(record.name, gone=False)
        now_s = self._clock()
        senders = {record.name for record in records if isinstance(record, DNSAddress)}
        if f"{self._name}.local." in senders:
            self._state = replace(self._state, heard_self_s=now_s)
        elif senders and not self._is_own(records):
            self._state = replace(self._state, heard_others_s=now_s)

    def _is_own(self, records: list[DNSRecord]) -> bool:
        """Whether another program of this machine speaks."""
        own = {ip_address(known.address).packed for known in self._addresses}
        return any(isinstance(record, DNSAddress) and record.address in own for record in records)

    def _queue(self, name: str, *, gone: bool) -> None:
        if self._backlog.put(name.removesuffix(f".{SERVICE}"), gone=gone):
            self._backlog_grew.set()
        else:
            self._overflow()

    def _overflow(self) -> None:
        self._state = replace(self._state, flooded=True, dropped=self._state.dropped + 1)

    async def _look(self) -> None:
        """Hand on what was heard, as many names a second as the pace allows."""
        while True:
            await self._backlog_grew.wait()
            self._backlog_grew.clear()
            while batch := self._backlog.take(max(1, self._pace.names_per_s // _TICKS_PER_S)):
                for name, gone in batch:
                    self._look_at(name, gone=gone)
                await asyncio.sleep(1 / _TICKS_PER_S)

    def _look_at(self, name: str, *, gone: bool) -> None:
        if self._zeroconf is None:
            return
        if gone:
            self._state = replace(self._state, goodbyes=self._state.goodbyes + 1)
            self._tell(lambda: self._on_gone(name))
            return
        if not is_instance_name(name):
            self._hand_on(unreadable(name, "its name is not one that a node gives itself"))
            return
        zeroconf = self._zeroconf.zeroconf
        info = AsyncServiceInfo(SERVICE, f"{name}.{SERVICE}")
        if info.load_from_cache(zeroconf):
            self._sighted(name, info, zeroconf)
        elif len(self._asking) >= _ASKING:
            self._queue(name, gone=False)
        else:
            task = asyncio.create_task(self._ask_for(name, info, zeroconf))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _ask_for(self, name: str, info: AsyncServiceInfo, zeroconf: Zeroconf) -> None:
        if await info.async_request(zeroconf, self._pace.resolve_s * 1000):
            self._sighted(name, info, zeroconf)
        else:
            self._hand_on(unreadable(name, "its name was announced, but nothing else"))

    def _sighted(self, name: str, info: AsyncServiceInfo, zeroconf: Zeroconf) -> None:
        hosts = info.parsed_scoped_addresses()
        txt = newest_txt(info, zeroconf)
        sighting = read_sighting(name, hosts, info.port or 0, txt, own=self._addresses)
        told = sighting.advertisement
        has_own_id = told is not None and told.node == self._advertisement.node
        is_here = bool(set(sighting.addresses) & {address.host for address in self._addresses})
        if (has_own_id or name == self._name) and not is_here:
            self._hand_on(replace(sighting, advertisement=None, problem=_COPIED))
        elif name != self._name:
            self._hand_on(sighting)

    def _hand_on(self, sighting: Sighting) -> None:
        self._state = replace(self._state, sightings=self._state.sightings + 1)
        self._tell(lambda: self._on_sighting(sighting))

    def _tell(self, callback: Callable[[], None]) -> None:
        """The owner's mistake in one name must not make this node deaf to the others."""
        try:
            callback()
        except Exception:
            logger.exception("discovery: what was heard could not be taken in")

    async def _care(self) -> None:
        """Ask again, open again what fell short, start afresh after a flood."""
        while True:
            await asyncio.sleep(min(1.0, self._pace.retry_s))
            async with self._lock:
                await self._care_once(self._clock())

    async def _care_once(self, now_s: float) -> None:
        if self._state.flooded:
            if now_s >= self._opened_s + self._pace.reopen_s:
                self._tell_flood()
                self._backlog.clear()
                await self._reopen()
        elif now_s < self._care_at_s:
            return
        elif self._shortfalls:
            await self._reopen()
        elif self._browser is not None and self._zeroconf is not None:
            self._flood_told = False
            self._care_at_s = now_s + self._pace.ask_again_s
            await self._browser.async_cancel()
            self._browser = self._ask(self._zeroconf.zeroconf)

    async def _reopen(self) -> None:
        await self._close(goodbye=False)
        await self._open()

    def _tell_flood(self) -> None:
        if not self._flood_told:
            logger.warning(
                "discovery: more names were announced than a house has; %d were passed over",
                self._state.dropped,
            )
        self._flood_told = True
