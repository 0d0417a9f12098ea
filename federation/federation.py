"""The life of a node among others: found, joined, kept alive, left. The one that owns the parts.

What the owner asked for stands in `Wishes`; what is said to a person goes through `say`.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

from federation.advertisement import Advertisement, instance_name
from federation.approvals import Approvals, Invitation, meant
from federation.background import Background, undivided
from federation.copying import copy_beside
from federation.discovery import Discovery
from federation.doors import Doors
from federation.era import Era
from federation.lines import line_of, shown_names
from federation.memory import Memory
from federation.metrics import MetricsSummary
from federation.next_code import NextCode
from federation.pairing import Joined
from federation.peer import Change
from federation.peer_proposer import Asking, PeerProposer, proposers
from federation.peers import PeerTable
from federation.pin import Pin
from federation.server import Answers, Callbacks
from federation.sharing import Shelf
from federation.sightings import Sighting
from federation.store import Membership
from federation.stragglers import Stragglers
from federation.strangers import Strangers
from federation.tool_keys import ToolKeys
from federation.trust import Credentials, federation_id, new_secret
from federation.wire import Status
from federation.wishes import Wishes, chosen
from hardware.interfaces import LanAddress, lan_addresses, read_interfaces
from swarm.errors import ConfigurationError, PeerRefused
from swarm.models.wanted import Moved
from swarm.proposer import Offer

logger = logging.getLogger(__name__)

WATCH_S = 3.0
"""How often the machine's interfaces are looked at."""


class Federation:
    """This node's place among others, from entering the context until leaving it."""

    def __init__(
        self,
        wishes: Wishes,
        *,
        offers: Callable[[], tuple[Offer, ...]],
        answers: Answers,
        shelf: Shelf,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.wishes = wishes
        self._offers = offers
        self._answers = answers
        self._shelf = shelf
        self._say = say
        self._clock = clock
        self._epoch = time.time_ns()
        self._pin = Pin(secrets.randbelow, clock())
        self._shown = ""
        self._strangers = Strangers()
        self._changing = asyncio.Lock()
        self.background = Background()
        self._stack = AsyncExitStack()
        self._era_stack = AsyncExitStack()
        self._era: Era | None = None
        self.addresses: tuple[LanAddress, ...] = ()
        self.discovery: Discovery | None = None

    async def __aenter__(self) -> Self:
        """Raises ConfigurationError where the wishes contradict what the node remembers."""
        wishes = self.wishes
        self._memory = await asyncio.to_thread(Memory, wishes.folder)
        self._approvals = Approvals(self.node_id)
        self._next_code = NextCode(self.node_id)
        self._doors = Doors(self.node_id, self._pin, port=wishes.port, on_joined=self._joined)
        for warning in wishes.warnings(await asyncio.to_thread(read_interfaces)):
            logger.warning("%s", warning)
        self._membership = chosen(self._memory.stored, wishes)
        await self._remember()
        self.table = PeerTable[Status](self.node_id, self.federation_id)
        self.tool_keys = ToolKeys(
            self.table, lambda: self._era.client if self._era else None, shared=not wishes.open
        )
        for host, port in wishes.peers:
            self.table.add_static(host, port, self._clock())
        self.addresses = await self._read_addresses()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._shelf.aclose)
            stack.push_async_callback(self._end_era)
            await self._begin_era()
            name = instance_name(wishes.name, self.node_id)
            self.discovery = await stack.enter_async_context(
                Discovery(
                    name,
                    self._advertisement(),
                    self.addresses,
                    on_sighting=self._sighted,
                    on_gone=self._gone,
                )
            )
            self.background.start(self._watch())
            stack.push_async_callback(self.background.end)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def node_id(self) -> str:
        """SHA-256 of this node's public key, 64 hex digits."""
        return self._memory.key.node_id

    @property
    def federation_id(self) -> str:
        """16 hex digits that say nothing of the secret."""
        return federation_id(self._membership.secret)

    @property
    def members(self) -> tuple[str, ...]:
        """The node ids of the members that are remembered, whether they run or not."""
        return self._membership.members

    @property
    def alone(self) -> bool:
        """Whether this node may still be joined to another's federation by a PIN."""
        return not self.wishes.open and (
            (self._membership.founded_alone and not self._membership.members) or self._left_behind()
        )

    @property
    def port(self) -> int:
        """Of the peer door; 0 while it is closed."""
        return self._era.port if self._era else 0

    @property
    def pairing_port(self) -> int:
        """Of the pairing door; 0 while it is closed."""
        return self._doors.pairing_port

    @property
    def trouble(self) -> str | None:
        """Why others cannot come in here, or a restart would forget them, while that is so."""
        return self._doors.trouble or self._memory.trouble

    def status(self) -> Status:
        """What this node says of itself to its peers."""
        return self.wishes.status(
            self.node_id, self._epoch, self.port, self._offers(), clock_s=time.time()
        )

    def peers(self) -> tuple[PeerProposer, ...]:
        """The peers that can be asked now."""
        if self._era is None:
            return ()
        return proposers(Asking(self.table, self._era.client, self._clock))

    def figures(self) -> dict[str, MetricsSummary]:
        """What each peer that ever took part did, by its name as verdicts have it."""
        proved = self.table.proved()
        names = shown_names(proved)
        return {names[peer.node_id]: peer.metrics.summary() for peer in proved}

    async def copy(self, names: Sequence[str], folder: Path, moved: Moved) -> bool:
        """Copy model files from a peer; whether one has them all. Raises OSError."""
        if self.alone:
            return False
        return await copy_beside(lambda: self._era, self.table, names, folder, moved=moved)

    @undivided
    async def approve(self, digits: str, machine: str = "") -> str:
        """Make the machine that shows this PIN a member; its name. Raises PeerError.

        `machine`: how its name begins, where several show one.
        """
        addresses = tuple(address.host for address in self.addresses)
        # The peer door opens when there is a member: until then its port is that of the PIN.
        port = self.port or self.wishes.port
        own = self._membership
        invitation = Invitation(own.secret, own.past, addresses, port)
        door = meant(self._strangers.pairing(), machine)
        return await self._approvals.approve(digits, door, invitation, joined=self._learn)

    @undivided
    async def renew(self, without: str | None = None) -> tuple[str, ...]:
        """A new secret for all members that are ready, but for `without` (a node id).

        Gives the names of those that did not get it. They and those that are off join again by
        their PIN. Raises PeerRefused where another was earlier.
        """
        if self.wishes.open:
            raise ConfigurationError("an open federation has no code of its own")
        secret = new_secret()
        ready = [peer for peer in self.table.ready() if peer.node_id != without]
        missed: tuple[str, ...] = ()
        if self._era is not None:
            missed = await self._next_code.hand_out(secret, ready, self._era.client)
        await self._become(self._membership.renewed(secret, [peer.node_id for peer in ready]))
        return missed

    @undivided
    async def leave(self) -> None:
        """Be alone again, with a federation of its own."""
        await self._become(Membership(new_secret(), founded_alone=True))

    async def _become(self, membership: Membership) -> None:
        """Begin a new era with another secret."""
        async with self._changing:
            self._membership, self._shown = membership, ""
            await self._remember()
            await self._end_era()
            self._next_code.begin()
            self.table.belong_to(self.federation_id, membership.members, self._clock())
            await self._begin_era()
            await self._advertise()

    async def _begin_era(self) -> None:
        credentials = Credentials(self._memory.key, self._membership.secret, self.wishes.folder)
        callbacks = Callbacks(
            status=self.status,
            heard=self._heard,
            renewed=self._renewed,
            over=self._over,
            answers=self._answers,
            shelf=self._shelf,
            tool_key=self.tool_keys.told,
        )
        past = [replace(credentials, secret=secret) for secret in self._membership.past]
        away = Stragglers(past, self._strangers.living_in)
        era = Era(credentials, self.table, callbacks, away, changed=self._tell, clock=self._clock)
        try:
            async with AsyncExitStack() as stack:
                self._era = await stack.enter_async_context(era)
                self._era_stack = stack.pop_all()
        except OSError as error:  # begun again by `_watch`
            await self._doors.tell("this node cannot prove that it belongs", error)
            return
        await self._open_right_door()

    async def _end_era(self) -> None:
        await self._doors.close_pairing()
        self._era = None
        await self._era_stack.aclose()

    async def _open_right_door(self) -> None:
        hosts = [address.host for address in self.addresses]
        await self._doors.open_right(self._era, alone=self.alone, hosts=hosts)

    async def _joined(self, joined: Joined) -> None:
        """A member has handed its federation over: remember it, then live in it."""
        if not self.alone:
            raise PeerRefused("this machine has joined a federation", status=409)
        self._approvals.begin_joining(joined.node_id)
        membership = Membership(joined.secret, (joined.node_id,), past=joined.past)
        await self._memory.keep(membership)
        self.background.start(self._enter(membership, joined))

    async def _enter(self, membership: Membership, joined: Joined) -> None:
        try:
            await self._become(membership)
        finally:
            self._approvals.end_joining()
        for sighting in self._strangers.joined(joined, self.federation_id):
            self._tell(self.table.sighted(sighting, self._clock()))
        self._say("joined: this machine and the one that approved it are one federation now")

    async def _renewed(self, secret: bytes) -> None:
        """A member handed out a new secret; this answer still goes over the old one."""
        if self._next_code.take(secret):
            self.background.start(self._become(self._membership.renewed(secret)))

    async def _over(self, federation: str) -> None:
        """A member lives by a newer code than this node: whom it is with may have been removed."""
        if federation == self.federation_id and not self.wishes.open:
            self.background.start(self.leave())
            self._say("the code was changed while this machine was away: it needs a PIN again")

    async def _remember(self) -> None:
        if not self.wishes.open:
            await self._memory.keep(self._membership)

    def _heard(self, node: str, address: str, status: Status) -> None:
        """A peer called."""
        now_s = self._clock()
        came_from = (address, status.port)
        told = self.table.heard(node, node, status, now_s, name=status.name, came_from=came_from)
        self._tell(told)

    def _sighted(self, sighting: Sighting) -> None:
        """Somebody announced itself."""
        now_s = self._clock()
        self._tell(self.table.sighted(sighting, now_s))
        self._strangers.sighted(
            sighting, federation=self.federation_id, own=self.node_id, now_s=now_s
        )

    def _gone(self, name: str) -> None:
        self.table.gone(name, self._clock())
        self._strangers.gone(name)

    def _tell(self, changes: list[Change[Status]]) -> None:
        """One line for each change; new members are remembered."""
        for change in changes:
            logger.info(line_of(change))
            peer = change.peer
            if change.kind == "joined" and peer and peer.node_id not in self._membership.members:
                self.background.start(self._learn(peer.node_id))

    async def _learn(self, node_id: str) -> None:
        self._strangers.expect(node_id, self._clock())
        async with self._changing:
            if node_id not in self._membership.members:
                self._membership = self._membership.with_member(node_id)
                await self._remember()
            await self._open_right_door()
            await self._advertise()

    async def _watch(self) -> None:
        """Follow the machine's interfaces; show the PIN when another node is there to read it."""
        looked_s = self._clock()
        while True:
            await asyncio.sleep(0.5)
            if self._clock() - looked_s >= WATCH_S:
                looked_s = self._clock()
                addresses = await self._read_addresses()
                if addresses != self.addresses:
                    await self._move(addresses)
                await self._memory.catch_up()
            if self.addresses and not self._doors.are_right(self._era, alone=self.alone):
                await self._mend_door()
            self._show_pin()

    async def _mend_door(self) -> None:
        """The node is alone now, or not any more; or its door could not be opened before."""
        async with self._changing:
            before = self._advertisement()
            await (self._begin_era() if self._era is None else self._open_right_door())
            if self._advertisement() != before:
                await self._advertise()

    async def _move(self, addresses: tuple[LanAddress, ...]) -> None:
        """Listen where the machine lives now."""
        async with self._changing:
            told = ", ".join(address.address for address in addresses) or "none"
            logger.info("this machine's addresses on the network: %s", told)
            self.addresses = addresses
            await self._doors.close_pairing()
            if self._era is not None:
                await self._era.move_door([address.host for address in addresses])
            await self._open_right_door()
            if self.discovery is not None:
                await self.discovery.move(addresses)
            await self._advertise()

    def _show_pin(self) -> None:
        """Say once for each PIN what to type, while there is a machine to type it on."""
        if not self.alone:
            return
        name, pin = instance_name(self.wishes.name, self.node_id), self._pin.shown(self._clock())
        typed = self._strangers.to_type(pin, name)
        if typed is not None and not self._shown.startswith(typed):
            self._shown = typed
            self._say(self._strangers.invitation(typed))

    def _left_behind(self) -> bool:
        """Whether members of old announce another federation, and none is left in this one."""
        own, here = self._membership, self.federation_id
        past = frozenset(map(federation_id, own.past))
        moved = self._strangers.moved_on(own.members, here, past, self._clock())
        return moved and not self.table.ready()

    def _advertisement(self) -> Advertisement:
        return Advertisement.of(
            self.node_id, self.federation_id, port=self.port, pairing=self.pairing_port
        )

    async def _advertise(self) -> None:
        if self.discovery is not None:
            await self.discovery.advertise(self._advertisement())

    async def _read_addresses(self) -> tuple[LanAddress, ...]:
        interfaces = await asyncio.to_thread(read_interfaces)
        return lan_addresses(interfaces, self.wishes.interfaces)
