"""Copies model files from peers instead of downloading them again: resumed, and checked.

Asks who has the files and takes them from the first that has all, or from the next where that one
breaks off; before the node runs, on a visit of its own that looks for members first.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from pathlib import Path
from typing import TypeAlias

from federation.advertisement import Advertisement, instance_name
from federation.client import PeerClient
from federation.discovery import Discovery
from federation.endpoint import PeerEndpoint
from federation.era import Era
from federation.home import locked
from federation.peer import Address
from federation.peers import PeerTable
from federation.sharing import sha256_of
from federation.sightings import Sighting
from federation.store import Membership, Store
from federation.trust import Credentials, federation_id
from federation.wire import MAX_FILES, FileOffer, Status, can_be_asked_for
from federation.wishes import Wishes
from hardware.interfaces import lan_addresses, read_interfaces
from lookups import run
from swarm.errors import PeerError, ProtocolMismatch
from swarm.models.progress import shown
from swarm.models.wanted import Moved

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How long members are looked for: those that run are found within it."""

PEERS_S = 5.0
"""How long a node waits after its start: peers that run are found and proved by then."""

PAUSE_S = 2.0
PATIENCE_S = 60.0
"""A copy is given up after this long without a byte; until then one that broke off goes on when a
peer answers again: after a sleep, a restart, a change of the code."""

Endpoints: TypeAlias = Callable[[], AsyncIterable[PeerEndpoint]]
"""The peers that can be asked now."""

CurrentClient: TypeAlias = Callable[[], PeerClient | None]
"""The client that calls the peers now, if there is one."""


def copy_from_peers(
    wishes: Wishes, names: Sequence[str], folder: Path, *, total_bytes: int | None = None
) -> bool:
    """Copy the files into `folder` under their names; False where no member has them all.

    Blocking, and for use before an event loop runs. What is begun stays and is gone on with
    the next time. Raises OSError where the disk is full, ConfigurationError where another node
    lives in this one's folder: peers would take one for the other.
    """
    with locked(wishes.folder):
        store = Store(wishes.folder)
        membership = store.load()
        if membership is None or not membership.members:
            return False
        return run(_visit(wishes, store, membership, tuple(names), folder, total_bytes))


async def _visit(
    wishes: Wishes,
    store: Store,
    membership: Membership,
    names: tuple[str, ...],
    folder: Path,
    total_bytes: int | None,
) -> bool:
    key = await asyncio.to_thread(store.key)
    credentials = Credentials(key, membership.secret, store.folder)
    own = _status(wishes, key.node_id)
    async with AsyncExitStack() as stack:
        plain = await asyncio.to_thread(credentials.client_context)
        named = await asyncio.to_thread(credentials.client_context, named=True)
        client = await stack.enter_async_context(PeerClient(plain, named))
        addresses = [*wishes.peers, *await _members(wishes, key.node_id, membership)]
        told = _Told()

        def endpoints() -> AsyncGenerator[PeerEndpoint]:
            return _named_endpoints(client, addresses, own, told)

        with shown(names[0], total_bytes) as moved:
            return await copy_files(lambda: client, endpoints, names, folder, moved=moved)


async def _named_endpoints(
    client: PeerClient, addresses: Sequence[Address], own: Status, told: "_Told"
) -> AsyncGenerator[PeerEndpoint]:
    for host, port in addresses:
        try:
            status = await client.first_heartbeat(PeerEndpoint(host, port), own)
        except PeerError as error:
            told.no_copy(host, error)
        else:
            yield PeerEndpoint.of((host, port), status.node)


async def copy_beside(
    era: Callable[[], Era | None],
    table: PeerTable[Status],
    names: Sequence[str],
    folder: Path,
    *,
    moved: Moved,
) -> bool:
    """The same as `copy_from_peers` for a node that runs, from the peers of its table."""

    def client() -> PeerClient | None:
        present = era()
        return present.client if present is not None else None

    await asyncio.sleep(PEERS_S)
    return await copy_files(client, lambda: _ready_endpoints(table), names, folder, moved=moved)


async def _ready_endpoints(table: PeerTable[Status]) -> AsyncGenerator[PeerEndpoint]:
    for peer in table.ready():
        if peer.answers_at is not None:
            yield PeerEndpoint.of(peer.answers_at, peer.node_id)


async def copy_files(
    client: CurrentClient,
    endpoints: Endpoints,
    names: Sequence[str],
    folder: Path,
    *,
    moved: Moved,
    pause_s: float = PAUSE_S,
    patience_s: float = PATIENCE_S,
) -> bool:
    """Copy the files from the first of the peers that has them all, and does not fail.

    Where one breaks off, whoever has the files is asked for the rest while bytes come. No peer is
    asked for a name that none can have. Raises OSError.
    """
    if not can_be_asked_for(names):
        logger.info("peers are not asked for files of such names: %s", ", ".join(names))
        return False
    loop = asyncio.get_running_loop()
    copy = _Copy(names, folder, moved)
    until_s = loop.time()
    while not await copy.from_any(client, endpoints()):
        if copy.has_grown():
            until_s = loop.time() + patience_s
            logger.info("the copy goes on from there if a peer answers in %.0f s", patience_s)
        if loop.time() >= until_s:
            return False
        await asyncio.sleep(pause_s)
    return True


class _Told:
    """Says why a peer gives no copy, once for each reason."""

    def __init__(self) -> None:
        self._told = set[str]()

    def no_copy(self, host: str, error: PeerError) -> None:
        why = f"no copy from {host}: {error}"
        if why not in self._told:
            self._told.add(why)
            logger.warning("%s", why)


class _Copy:
    """Files on their way into a folder. What has come stays, whoever gives the rest."""

    def __init__(self, names: Sequence[str], folder: Path, moved: Moved) -> None:
        self._names = names
        self._folder = folder
        self._moved = moved
        self._whole = set[FileOffer]()
        self._wrong = set[PeerEndpoint]()
        self._here: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self._grown = False
        self._told = _Told()

    def has_grown(self) -> bool:
        """Whether bytes have come since this was asked last."""
        grown, self._grown = self._grown, False
        return grown

    async def from_any(self, client: CurrentClient, endpoints: AsyncIterable[PeerEndpoint]) -> bool:
        """Whether all files are here, after each peer was asked once. Raises OSError."""
        async for endpoint in endpoints:
            calling = client()
            if calling is None:
                return False
            if endpoint in self._wrong:
                continue
            try:
                if await self._from(calling, endpoint):
                    return True
            except PeerError as error:
                if isinstance(error, ProtocolMismatch):  # what it gives is not what it says
                    self._wrong.add(endpoint)
                self._told.no_copy(endpoint.host, error)
        return False

    async def _from(self, client: PeerClient, endpoint: PeerEndpoint) -> bool:
        offers = await _offers(client, endpoint, self._names)
        if {offer.name for offer in offers} != set(self._names):
            return False
        logger.info("copying %s from %s", ", ".join(self._names), endpoint.host)
        for offer in offers:
            if offer not in self._whole:
                here = partial(self._count, offer.name)
                await copy_file(client, endpoint, offer, self._folder, here=here)
                self._whole.add(offer)
        return True

    def _count(self, name: str, here: int) -> None:
        """Each byte is told once, also where a file is begun again."""
        self._grown = self._grown or here != self._here.get(name, 0)
        self._here[name] = here
        if here > self._counted.get(name, 0):
            self._counted[name] = here
            self._moved(sum(self._counted.values()))


async def _offers(
    client: PeerClient, endpoint: PeerEndpoint, names: Sequence[str]
) -> list[FileOffer]:
    """What the peer has of these files, as far as it has them all."""
    offers: list[FileOffer] = []
    for at in range(0, len(names), MAX_FILES):
        asked = names[at : at + MAX_FILES]
        found = await client.files(endpoint, asked)
        offers += found
        if len(found) < len(asked):
            break
    return offers


def _status(wishes: Wishes, node: str) -> Status:
    return Status(
        version=wishes.version,
        node=node,
        name=wishes.name,
        epoch=time.time_ns(),
        clock_s=time.time(),
        port=wishes.port,
        models=(),
    )


async def _members(wishes: Wishes, node: str, membership: Membership) -> list[Address]:
    """The peer doors of this federation that are announced within two seconds."""
    federation = federation_id(membership.secret)
    addresses = lan_addresses(await asyncio.to_thread(read_interfaces), wishes.interfaces)
    found: dict[Address, None] = {}

    def sighted(sighting: Sighting) -> None:
        told = sighting.advertisement
        if told is not None and told.federation == federation and told.port:
            found.update({(host, told.port): None for host in sighting.addresses})

    said = Advertisement.of(node, federation)
    name = instance_name(wishes.name, node)
    async with Discovery(name, said, addresses, on_sighting=sighted, on_gone=lambda _: None):
        await asyncio.sleep(LOOK_S)
    return list(found)


async def copy_file(
    client: PeerClient,
    endpoint: PeerEndpoint,
    offer: FileOffer,
    folder: Path,
    *,
    here: Callable[[int], object],
) -> None:
    """Copy one file, from where an earlier copy broke off; `here` is told how much of it is here.

    Raises PeerError, OSError.
    """
    goal = folder / offer.name
    if await asyncio.to_thread(goal.is_file) and await sha256_of(goal) == offer.sha256:
        return
    part = goal.with_name(f"{goal.name}.{offer.sha256[:16]}.part")
    await asyncio.to_thread(part.parent.mkdir, parents=True, exist_ok=True)
    with await asyncio.to_thread(part.open, "ab") as file:
        here(file.tell())
        if file.tell() < offer.size_bytes:  # else only the check is left: no range begins there
            async with aclosing(client.file(endpoint, offer.name, offset=file.tell())) as pieces:
                async for piece in pieces:
                    if file.tell() + len(piece) > offer.size_bytes:
                        raise ProtocolMismatch(f"{offer.name} is longer than it said")
                    await asyncio.to_thread(file.write, piece)
                    here(file.tell())
    if await sha256_of(part) != offer.sha256:
        await asyncio.to_thread(part.unlink)
        raise ProtocolMismatch(f"{offer.name} is not what it said: the checksum differs")
    await asyncio.to_thread(part.replace, goal)
