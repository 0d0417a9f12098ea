"""Which code follows the present one, where members change it in the same moment.

Whoever changes the code hands it to the member of the lowest node id first, itself included. That
one takes the first that comes and refuses any other, before anybody else has heard of it.
"""

import asyncio
import logging
from collections.abc import Sequence

from federation.client import SILENCE_S, PeerClient
from federation.endpoint import PeerEndpoint
from federation.peer import Peer
from federation.wire import NewSecret, Status
from swarm.errors import PeerError, PeerRefused, PeerTimedOut, PeerUnreachable

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
    ) -> tuple[str, ...]:
        """Take it, and hand it to these; the names of those that did not get it.

        Raises PeerRefused, with nothing changed, where another one was taken first.
        """
        rest = sorted(peers, key=lambda peer: peer.node_id)
        missed: list[str] = []
        while rest and rest[0].node_id < self._node_id:
            first = rest.pop(0)
            if await _handed(client, secret, first, is_first=True):
                break
            missed.append(first.name)
        self.take(secret)
        calls = (_handed(client, secret, peer, is_first=False) for peer in rest)
        got = await asyncio.gather(*calls)
        missed += [peer.name for peer, has_it in zip(rest, got, strict=True) if not has_it]
        return tuple(sorted(missed))


async def _handed(client: PeerClient, secret: bytes, peer: Peer[Status], *, is_first: bool) -> bool:
    try:
        await _hand(client, NewSecret(secret=secret), peer)
    except PeerError as error:
        if is_first and isinstance(error, PeerRefused) and error.status == TAKEN:
            raise
        logger.warning("%s did not get the new code: %s", peer.name, error)
        return False
    return True


async def _hand(client: PeerClient, secret: NewSecret, peer: Peer[Status]) -> None:
    """Where it answered last, else wherever it may be: who is left out must join anew.

    Raises PeerError: how the first way failed.
    """
    failure: PeerError | None = None
    try:
        async with asyncio.timeout(SILENCE_S):
            for address in peer.ways:
                try:
                    endpoint = PeerEndpoint.of(address, peer.node_id)
                    return await client.hand_secret(endpoint, secret)
                except PeerRefused:
                    raise
                except PeerError as error:
                    failure = failure or error
    except TimeoutError:
        failure = failure or PeerTimedOut(f"it said nothing for {SILENCE_S:.0f} s")
    raise failure or PeerUnreachable("it has no address")
