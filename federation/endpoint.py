"""Where a peer is called."""

from dataclasses import dataclass
from typing import Self

from federation.certificates import NODE_ID_HEX, certified_name
from federation.peer import Address
from guard import bracketed


@dataclass(frozen=True, slots=True)
class PeerEndpoint:
    """Where a peer listens. `name` is what its certificate must carry, None before it is known."""

    host: str
    port: int
    name: str | None = None

    @classmethod
    def of(cls, address: Address, node_id: str) -> Self:
        """Where the node of this id listens; it has no name before the whole id is known."""
        return cls(*address, certified_name(node_id) if len(node_id) == NODE_ID_HEX else None)

    def url(self, path: str) -> str:
        return f"https://{bracketed(self.host)}:{self.port}{path}"
