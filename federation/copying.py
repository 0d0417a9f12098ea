"""Copies model files from peers instead of downloading them again: resumed, and checked.

Runs before the node does, on a visit of its own: it looks for members, asks who has the files,
takes them from the first that has all.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from tqdm import tqdm

from federation.advertisement import PROTOCOL, Advertisement, instance_name
from federation.client import Door, PeerClient, door_name
from federation.discovery import Discovery
from federation.interfaces import lan_addresses, read_interfaces
from federation.peer import Address
from federation.sharing import sha256_of
from federation.sightings import Sighting
from federation.store import Membership, Store
from federation.trust import Credentials, federation_id
from federation.wire import FileOffer, Status
from federation.wishes import Wishes
from swarm.errors import PeerError, ProtocolMismatch

logger = logging.getLogger(__name__)

LOOK_S = 2.0
"""How long members are looked for: those that run are found within it."""


def copy_from_peers(wishes: Wishes, names: Sequence[str], folder: Path) -> bool:
    """Copy the files into `folder` under their names; False where no member has them all.

    Blocking, and for use before an event loop runs. What is begun stays and is gone on with
    the next time. Raises OSError where the disk is full.
    """
    store = Store(wishes.folder)
    membership = store.load()
    if membership is None or not membership.members:
        return False
    return asyncio.run(_visit(wishes, store, membership, tuple(names), folder))


async def _visit(
    wishes: Wishes, store: Store, membership: Membership, names: tuple[str, ...], folder: Path
) -> bool:
    key = await asyncio.to_thread(store.key)
    credentials = Credentials(key, membership.secret, store.folder)
    own = _status(wishes, key.node_id)
    async with AsyncExitStack() as stack:
        plain = await asyncio.to_thread(credentials.client_context)
        named = await asyncio.to_thread(credentials.client_context, named=True)
        client = await stack.enter_async_context(PeerClient(plain, named))
        for host, port in [*wishes.peers, *await _members(wishes, key.node_id, membership)]:
            try:
                status = await client.heartbeat(Door(host, port), own)
                door = Door(host, port, door_name(status.node))
                offers = await client.files(door, names)
                if {offer.name for offer in offers} != set(names):
                    continue
                logger.info("copying %s from %s", ", ".join(names), status.name)
                for offer in offers:
                    with tqdm(
                        desc=offer.name, total=offer.size_bytes, unit="B", unit_scale=True
                    ) as bar:
                        await copy_file(client, door, offer, folder, moved=bar.update)
            except PeerError as error:
                logger.warning("no copy from %s: %s", host, error)
                continue
            return True
    return False


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
    moved: Callable[[int], object],
) -> None:
    """Copy one file, from where an earlier copy broke off; `moved` is told how many bytes are here.

    Raises PeerError, OSError.
    """
    goal = folder / offer.name
    if await asyncio.to_thread(_is_whole, goal, offer):
        return
    part = goal.with_name(f"{goal.name}.{offer.sha256[:16]}.part")
    await asyncio.to_thread(part.parent.mkdir, parents=True, exist_ok=True)
    with await asyncio.to_thread(part.open, "ab") as file:
        moved(file.tell())
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
