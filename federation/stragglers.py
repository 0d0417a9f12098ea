"""Nodes that still live by a code that this federation had before: told that it is over.

Whoever was off while a member was removed must not go on with the removed one.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence

from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.sightings import Sighting
from federation.trust import Credentials, federation_id
from swarm.errors import PeerError

logger = logging.getLogger(__name__)

SETTLED_S = 11.0
"""How long members that still get a new code may seem left behind: it is handed to one member, then
to the others, 5 s at most each."""

_LOOK_S = 1.0
_AGAIN_S = 10.0


class Stragglers:
    """Tells those that are seen, by the code that they still have, until `run` is cancelled."""

    def __init__(
        self,
        past: Sequence[Credentials],
        seen: Callable[[Collection[str]], Sequence[Sighting]],
        *,
        settled_s: float = SETTLED_S,
    ) -> None:
        """`seen` gives the nodes that announce one of these federation ids and an open door."""
        self._past = {federation_id(credentials.secret): credentials for credentials in past}
        self._seen = seen
        self._settled_s = settled_s
        self._told_s: dict[str, float] = {}

    async def run(self) -> None:
        """Look for ever; a federation that never changed its code has none."""
        if not self._past:
            return
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(self._settled_s)
        while True:
            met = self._seen(self._past)
            names = {one.name for one in met}
            self._told_s = {name: at for name, at in self._told_s.items() if name in names}
            for one in met:
                if clock() >= self._told_s.get(one.name, -_AGAIN_S) + _AGAIN_S:
                    await self._tell(one, is_first=one.name not in self._told_s)
                    self._told_s[one.name] = clock()
            await asyncio.sleep(_LOOK_S)

    async def _tell(self, met: Sighting, *, is_first: bool) -> None:
        advertisement = met.advertisement
        if advertisement is None:
            return
        credentials = self._past[advertisement.federation]
        contexts = await asyncio.gather(
            asyncio.to_thread(credentials.client_context),
            asyncio.to_thread(credentials.client_context, named=True),
        )
        reason = "it announces no address"
        async with PeerClient(*contexts) as client:
            for host in met.addresses:
                try:
                    await client.tell_over(
                        PeerEndpoint(host, advertisement.port), advertisement.federation
                    )
                except PeerError as error:
                    reason = str(error)
                    continue
                logger.info("%s still lived by an old code; it shows a PIN now", met.name)
                return
        if is_first:
            logger.info("%s lives by an old code and cannot be told: %s", met.name, reason)
