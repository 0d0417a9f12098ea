"""Nodes of other federations that were seen lately: who can be approved, who was a member. Pure."""

from collections.abc import Collection, Sequence

from federation.advertisement import NODE_PREFIX_HEX, Advertisement, instance_name
from federation.pairing import Joined
from federation.sightings import Sighting
from federation.trust import OPEN_SECRET, federation_id

_OPEN_ID = federation_id(OPEN_SECRET)
KEPT_S = 120.0
MOVING_S = 8.0
"""For this long a new member may still announce its previous federation, which says nothing."""
_MOST = 64
_MOST_LIVES = 1024


class Strangers:
    """Sightings of the last two minutes, at most 64 of them."""

    def __init__(self) -> None:
        self._met: dict[str, tuple[Sighting, float]] = {}
        self._expected: dict[str, float] = {}
        self._lives: dict[str, str] = {}

    def sighted(self, sighting: Sighting, *, federation: str, own: str, now_s: float) -> None:
        """Somebody announced itself; members of `federation` and `own` are not strangers."""
        told = sighting.advertisement
        if told is not None:
            self._lives.pop(told.node, None)
            self._lives[told.node] = told.federation  # now the latest of them
            if len(self._lives) > _MOST_LIVES:
                del self._lives[next(iter(self._lives))]
        self._met = {name: met for name, met in self._met.items() if now_s - met[1] < KEPT_S}
        self._met.pop(sighting.name, None)
        if told is None or told.federation == federation or own.startswith(told.node):
            return
        if len(self._met) < _MOST:
            self._met[sighting.name] = (sighting, now_s)

    def gone(self, name: str) -> None:
        """It said goodbye."""
        self._met.pop(name, None)

    def pairing(self) -> list[Sighting]:
        """Those that show a PIN."""
        return [met for met in self._all() if met.advertisement and met.advertisement.pairing]

    def living_in(self, federations: Collection[str]) -> list[Sighting]:
        """Those that announce one of these and an open peer door."""
        return [
            met
            for met in self._all()
            if (told := met.advertisement) and told.federation in federations and told.port
        ]

    def expect(self, node_id: str, now_s: float) -> None:
        """It has just become a member: what it announces may be outdated for a while."""
        self._expected = {node: end_s for node, end_s in self._expected.items() if end_s > now_s}
        self._expected[node_id[:NODE_PREFIX_HEX]] = now_s + MOVING_S

    def moved_on(
        self, members: Sequence[str], federation: str, past: Collection[str], now_s: float
    ) -> bool:
        """Whether members (node ids) were last seen in another federation, and none in this one.

        Who still lives by one of its codes of the `past` has not moved on, but is late.
        """
        lives = {
            self._lives[node]
            for node in (member[:NODE_PREFIX_HEX] for member in members)
            if node in self._lives and self._expected.get(node, now_s) <= now_s
        }
        return federation not in lives and not lives.issubset(past)

    def joined(self, joined: Joined, federation: str) -> list[Sighting]:
        """The member that handed this `federation` over, as it will announce itself."""
        node = joined.node_id[:NODE_PREFIX_HEX]
        said = [(met.name, met.advertisement) for met in self._all()]
        names = [name for name, ad in said if ad and ad.node == node]
        name = names[0] if names else instance_name("", joined.node_id)
        advertisement = Advertisement.of(joined.node_id, federation, port=joined.port)
        return [Sighting(name, (host,), joined.port, advertisement) for host in joined.addresses]

    def to_type(self, shown_pin: str, name: str) -> str | None:
        """What makes the machine of this name a member; None while nobody is there to type it.

        The name is part of it where another one may show a PIN too.
        """
        there = self._closed()
        if not there:
            return None
        return f"python main.py approve {shown_pin}" + (f" {name}" if len(there) > 1 else "")

    def invitation(self, typed: str) -> str:
        """What to type, and on which machine."""
        met = self._closed()[0]
        return f"found {met.name} ({met.addresses[0]}); to become one, type there: {typed}"

    def _closed(self) -> list[Sighting]:
        """Nobody is approved by an open federation; it is entered by `--open`."""
        return [
            met
            for met in self._all()
            if met.addresses and met.advertisement and met.advertisement.federation != _OPEN_ID
        ]

    def _all(self) -> list[Sighting]:
        return [met for met, _ in self._met.values()]
