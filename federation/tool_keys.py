"""Tokens of tool servers, which members of a federation tell each other over the peer door.

A token is kept here only for this node's own server; another's is asked for when it is needed.
What members are told is made of it and holds as long as the federation's code: who was removed
has none.
"""

import asyncio
from collections.abc import Callable

from federation.certificates import derive
from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.peer import Peer
from federation.peers import PeerTable
from federation.wire import Status, ToolKey
from swarm.errors import PeerError, PeerRefused, PeerUnreachable

NOT_HERE = 404
"""The status of a node that has no tool server for others."""


class ToolKeys:
    """`own`: where this node's tool server is, and its token."""

    def __init__(
        self, table: PeerTable[Status], client: Callable[[], PeerClient | None], *, shared: bool
    ) -> None:
        """`shared`: False in an open federation, where everybody on the network is a member."""
        self._table = table
        self._client = client
        self._shared = shared
        self.own: ToolKey | None = None

    def told(self) -> ToolKey:
        """What a member that asks is told. Raises PeerRefused."""
        if not self._shared:
            raise PeerRefused("an open federation hands out no tokens", status=NOT_HERE)
        if self.own is None:
            raise PeerRefused("no tool server for others is here", status=NOT_HERE)
        return self.own.model_copy(update={"token": self.members_token()})

    def members_token(self) -> str | None:
        """What members show to this node's tool server; another one for each code."""
        if self.own is None or not self._shared:
            return None
        purpose = f"tool server, members of {self._table.federation}"
        return derive(self.own.token.encode(), purpose, 32).hex()

    async def of(self, host: str, port: int) -> str:
        """The token of the tool server there. Raises PeerError where no ready member has it.

        It comes from the member itself that says its server is there, so that nobody else is
        shown it.
        """
        client = self._client()
        peers = self._table.ready() if client is not None and self._shared else ()
        keys = await asyncio.gather(*(_asked(client, peer) for peer in peers if client))
        for key in keys:
            if key is not None and (key.host, key.port) == (host, port):
                return key.token
        raise PeerUnreachable(
            f"no machine of this federation says that its tool server is at {host} port {port}"
        )


async def _asked(client: PeerClient, peer: Peer[Status]) -> ToolKey | None:
    """What this peer tells; nothing where it does not answer, or has no server."""
    if peer.answers_at is None:
        return None
    try:
        return await client.tool_key(PeerEndpoint.of(peer.answers_at, peer.node_id))
    except PeerError:
        return None
