"""What nodes say of themselves: as far as the wire can, and once in full, so that a heartbeat
without news is short.
"""

import hashlib
import logging
from collections.abc import Sequence

from pydantic import TypeAdapter, ValidationError

from federation.peers import TABLE_SIZE
from federation.wire import MOST_MODELS, STATUS_BYTES, Offered, Same, Status, encode_body
from swarm.errors import PeerRefused
from swarm.proposer import Offer

logger = logging.getLogger(__name__)

_OFFERED: TypeAdapter[Offer] = TypeAdapter(Offered)
_MODELS_BYTES = STATUS_BYTES - (8 << 10)
"""The models in a status take at most this: all else that it says fits in the rest."""
_SHOWN = 6

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


class ToldLast:
    """What each peer was told of this node last, by the names of the latest 256."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def next(self, name: str, own: Status) -> Status | Same:
        """What is said to it now."""
        return told_to(self._digests.get(name, ""), own)

    def keep(self, name: str, own: Status) -> None:
        """It has this status now."""
        self._digests.pop(name, None)
        while len(self._digests) >= TABLE_SIZE:
            del self._digests[next(iter(self._digests))]
        self._digests[name] = digest(own)

    def forget(self, name: str) -> bool:
        """It is told everything again; whether it was told anything before."""
        return self._digests.pop(name, None) is not None


class Sayable:
    """The models of which a status can tell. Of the others nobody but the log knows, once."""

    def __init__(self) -> None:
        self._left_out = set[str]()

    def of(self, offers: Sequence[Offer]) -> tuple[Offer, ...]:
        """The first of these that have room in a status, under ids that peers take."""
        said: list[Offer] = []
        room = _MODELS_BYTES
        for offer in offers:
            room -= _size_bytes(offer)
            if room >= 0 and len(said) < MOST_MODELS and _can_be_said(offer):
                said.append(offer)
        self._tell({offer.model for offer in offers} - {offer.model for offer in said})
        return tuple(said)

    def _tell(self, left_out: set[str]) -> None:
        news = sorted(left_out - self._left_out)
        if news:
            self._left_out |= left_out
            more = f" and {len(news) - _SHOWN} more" if len(news) > _SHOWN else ""
            told = (
                "peers are not told of %s%s: a node tells of at most %d models with printable ids"
            )
            logger.warning(told, ", ".join(map(repr, news[:_SHOWN])), more, MOST_MODELS)


def _can_be_said(offer: Offer) -> bool:
    try:
        _OFFERED.validate_python(offer)
    except ValidationError:
        return False
    return True


def _size_bytes(offer: Offer) -> int:
    return len(_OFFERED.dump_json(offer)) + 1 if offer.model.isprintable() else 0
