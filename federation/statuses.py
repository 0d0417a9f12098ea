"""What nodes said of themselves in full, so that a heartbeat without news is short. Pure."""

import hashlib

from federation.peers import TABLE_SIZE
from federation.wire import Same, Status, encode_body
from swarm.errors import PeerRefused

NOT_KNOWN = 409
"""The status of the answer to a short heartbeat whose long one is not known any more."""


def digest(status: Status) -> str:
    """16 hex digits of all that a status says, but for the clock."""
    told = encode_body(status.model_copy(update={"clock_s": 0.0}))
    return hashlib.blake2b(told, digest_size=8).hexdigest()


def told_to(holder: str, status: Status) -> Status | Same:
    """What is said to one who holds the status of this digest, if any."""
    known = digest(status)
    return Same(same=known, clock_s=status.clock_s) if holder == known else status


class Statuses:
    """The last whole status of each node, of the latest 256."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[str, Status]] = {}

    def held(self, node: str) -> str:
        """The digest of a node's last whole status, empty if there is none."""
        return self._of[node][0] if node in self._of else ""

    def read(self, node: str, said: Status | Same) -> Status:
        """The whole status. Raises PeerRefused for a short one whose long one is not known."""
        known, status = self._of.pop(node, ("", None))
        if isinstance(said, Status):
            known, status = digest(said), said
        elif status is None or said.same != known:
            raise PeerRefused("its whole status is not known here", status=NOT_KNOWN)
        while len(self._of) >= TABLE_SIZE:
            del self._of[next(iter(self._of))]
        self._of[node] = known, status
        return status.model_copy(update={"clock_s": said.clock_s})
