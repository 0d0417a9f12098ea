"""Which code follows the present one, where members change it in the same moment.

Whoever changes the code hands it to the member of the lowest node id first, itself included. That
one takes the first that comes and refuses any other, before anybody else has heard of it.
"""

import asyncio
import logging
from collections.abc import Sequence

from federation.client import Door, PeerClient, door_name
from federation.peer import Peer
from federation.wire import NewSecret, Status
from swarm.errors import PeerError, PeerRefused

logger = logging.getLogger(__name__)

TAKEN = 409


class NextCode:
    """The secret that a node has taken, until it lives by it."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._taken: bytes | None = None

    def begin(self) -> None:
        """The node lives by a new code, after which another may follow."""
        self._taken = None

    def take(self, secret: bytes) -> bool:
        """Whether it was not taken before. Raises PeerRefused where another one was."""
        if self._taken not in (None, secret):
            message = "another machine changes the code just now; ask again in a moment"
            raise PeerRefused(message, status=TAKEN)
        is_new, self._taken = self._taken is None, secret
        return is_new

    async def hand_out(
        self, secret: bytes, peers: Sequence[Peer[Status]], client: PeerClient
    ) -> None:
        """Take it, and hand it to these; who does not get it is told of.

        Raises PeerRefused, with nothing changed, where another one was taken first.
        """
        rest = sorted(peers, key=lambda peer: peer.node_id)
        while rest and rest[0].node_id < self._node_id:
            if await _handed(client, secret, rest.pop(0), is_first=True):
                break
        self.take(secret)
        await asyncio.gather(*(_handed(client, secret, peer, is_first=False) for peer in rest))


async def _handed(client: PeerClient, secret: bytes, peer: Peer[Status], *, is_first: bool) -> bool:
    if peer.address is None:
        return False
    try:
        door = Door(*peer.address, door_name(peer.node_id))
        await client.hand_secret(door, NewSecret(secret=secret))
    except PeerError as error:
        if is_first and isinstance(error, PeerRefused) and error.status == TAKEN:
            raise
        logger.warning("%s did not get the new code: %s", peer.name, error)
        return False
    return True
