"""Copies model files from peers instead of downloading them again: resumed, and checked.

Asks who has the files and takes them from the first that has all; before the node runs, on a visit
of its own that looks for members first.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

from tqdm import tqdm

from federation.advertisement import PROTOCOL, Advertisement, instance_name
from federation.client import Door, PeerClient, door_name
from federation.discovery import Discovery
from federation.era import Era
from federation.interfaces import lan_addresses, read_interfaces
from federation.peer import Address
from federation.peers import PeerTable
from federation.sharing import sha256_of
from federation.sightings import Sighting
from federation.store import Membership, Store
from federation.trust import Credentials, federation_id
from federation.wire import MAX_FILES, FileOffer, Status, can_be_asked_for
from federation.wishes import Wishes
from swarm.errors import PeerError, ProtocolMismatch

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How long members are looked for: those that run are found within it."""

PEERS_S = 5.0
"""From the start of a node: peers that run are found and proved within it."""

Moved: TypeAlias = Callable[[int], object]
"""Is told how many bytes more are here."""


def copy_from_peers(
    wishes: Wishes, names: Sequence[str], folder: Path, *, total_bytes: int | None = None
) -> bool:
    """Copy the files into `folder` under their names; False where no member has them all.

    Blocking, and for use before an event loop runs. What is begun stays and is gone on with
    the next time. Raises OSError where the disk is full.
    """
    store = Store(wishes.folder)
    membership = store.load()
    if membership is None or not membership.members:
        return False
    with tqdm(
        desc=names[0], total=total_bytes, unit="B", unit_scale=True, leave=False, delay=LOOK_S
    ) as bar:
        return asyncio.run(_visit(wishes, store, membership, tuple(names), folder, bar.update))


async def _visit(
    wishes: Wishes,
    store: Store,
    membership: Membership,
    names: tuple[str, ...],
    folder: Path,
    moved: Moved,
) -> bool:
    key = await asyncio.to_thread(store.key)
    credentials = Credentials(key, membership.secret, store.folder)
    own = _status(wishes, key.node_id)
    async with AsyncExitStack() as stack:
        plain = await asyncio.to_thread(credentials.client_context)
        named = await asyncio.to_thread(credentials.client_context, named=True)
        client = await stack.enter_async_context(PeerClient(plain, named))
        addresses = [*wishes.peers, *await _members(wishes, key.node_id, membership)]
        doors = _named_doors(client, addresses, own)
        return await copy_files(client, doors, names, folder, moved=moved)


async def _named_doors(
    client: PeerClient, addresses: Sequence[Address], own: Status
) -> AsyncGenerator[Door]:
    for host, port in addresses:
        try:
            status = await client.heartbeat(Door(host, port), own)
        except PeerError as error:
            logger.warning("no copy from %s: %s", host, error)
        else:
            yield Door(host, port, door_name(status.node))


async def copy_beside(
    era: Callable[[], Era | None],
    table: PeerTable[Status],
    names: Sequence[str],
    folder: Path,
    *,
    moved: Moved,
) -> bool:
    """The same as `copy_from_peers` for a node that runs, from the peers of its table."""
    await asyncio.sleep(PEERS_S)
    present = era()
    if present is None:
        return False
    return await copy_files(present.client, _ready_doors(table), names, folder, moved=moved)


async def _ready_doors(table: PeerTable[Status]) -> AsyncGenerator[Door]:
    for peer in table.ready():
        if peer.answers_at is not None:
            yield Door(*peer.answers_at, door_name(peer.node_id))


async def copy_files(
    client: PeerClient,
    doors: AsyncIterable[Door],
    names: Sequence[str],
    folder: Path,
    *,
    moved: Moved,
) -> bool:
    """Copy the files from the first of the doors that has them all, and does not fail.

    No door is asked for a name that none can have. Raises OSError.
    """
    if not can_be_asked_for(names):
        logger.info("peers are not asked for files of such names: %s", ", ".join(names))
        return False
    async for door in doors:
        try:
            offers = await _offers(client, door, names)
            if {offer.name for offer in offers} != set(names):
                continue
            logger.info("copying %s from %s", ", ".join(names), door.host)
            for offer in offers:
                await copy_file(client, door, offer, folder, moved=moved)
        except PeerError as error:
            logger.warning("no copy from %s: %s", door.host, error)
            continue
        return True
    return False


async def _offers(client: PeerClient, door: Door, names: Sequence[str]) -> list[FileOffer]:
    """What the door has of these files, as far as it has them all."""
    offers: list[FileOffer] = []
    for at in range(0, len(names), MAX_FILES):
        asked = names[at : at + MAX_FILES]
        found = await client.files(door, asked)
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

    said = Advertisement(PROTOCOL, node[:16], federation, 0, 0)
    name = instance_name(wishes.name, node)
    async with Discovery(name, said, addresses, on_sighting=sighted, on_gone=lambda _: None):
        await asyncio.sleep(LOOK_S)
    return list(found)


async def copy_file(
    client: PeerClient,
    door: Door,
    offer: FileOffer,
    folder: Path,
    *,
    moved: Moved,
) -> None:
    """Copy one file, from where an earlier copy broke off.

    Raises PeerError, OSError.
    """
    goal = folder / offer.name
    if await asyncio.to_thread(_is_whole, goal, offer):
        return
    part = goal.with_name(f"{goal.name}.{offer.sha256[:16]}.part")
    await asyncio.to_thread(part.parent.mkdir, parents=True, exist_ok=True)
    with await asyncio.to_thread(part.open, "ab") as file:
        moved(file.tell())
        if file.tell() < offer.size_bytes:  # else only the check is left: no range begins there
            async for piece in client.file(door, offer.name, offset=file.tell()):
                if file.tell() + len(piece) > offer.size_bytes:
                    raise ProtocolMismatch(f"{offer.name} is longer than it said")
                await asyncio.to_thread(file.write, piece)
                moved(len(piece))
    if await asyncio.to_thread(sha256_of, part) != offer.sha256:
        await asyncio.to_thread(part.unlink)
        raise ProtocolMismatch(f"{offer.name} is not what it said: the checksum differs")
    await asyncio.to_thread(part.replace, goal)


def _is_whole(path: Path, offer: FileOffer) -> bool:
    return path.is_file() and sha256_of(path) == offer.sha256
