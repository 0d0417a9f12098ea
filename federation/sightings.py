"""What was seen on the LAN and what became of it: a bounded log that tells why a peer is missing.

Pure: takes `now_s`. Nothing here is proved.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from federation.advertisement import Advertisement, check_name, decode_txt, is_instance_name
from hardware.interfaces import LanAddress, believable
from swarm.errors import ProtocolMismatch

LOG_SIZE = 128
_MAX_HOSTS = 8
_MAX_NAME = 63

Outcome = Literal["member", "door closed", "other federation", "not understood", "this node"]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A name that was announced, as far as it could be resolved.

    `port` is the one of the service record; `problem` says in a sentence why there is no
    advertisement, or why it is not believed.
    """

    name: str
    addresses: tuple[str, ...]
    port: int
    advertisement: Advertisement | None
    problem: str | None = None


def read_sighting(
    name: str,
    hosts: Iterable[str],
    port: int,
    txt: Mapping[bytes, bytes | None],
    *,
    own: Iterable[LanAddress],
) -> Sighting:
    """What an announcement is worth to a node with the addresses `own`.

    Of `hosts` (link-local ones with their zone) those stay that this node could reach on its LAN.
    """
    own = tuple(own)
    kept = tuple(host for host in hosts if believable(host, own))[:_MAX_HOSTS]
    try:
        told = decode_txt(txt)
        check_name(name, told)
    except ProtocolMismatch as mismatch:
        return replace(unreadable(name, str(mismatch)), addresses=kept, port=port)
    if not kept:
        return unreadable(name, "none of its addresses is on this node's LAN")
    return Sighting(name, kept, port, told)


def unreadable(name: str, problem: str) -> Sighting:
    """A sighting that is worth a line in the log and no more; the name made safe to show."""
    shown = name if is_instance_name(name) else ascii(name)[1:-1][:_MAX_NAME]
    return Sighting(shown, (), 0, None, problem)


@dataclass(frozen=True, slots=True)
class Noted:
    """One line of the log: who, what became of it, why, how often, and when last (monotonic)."""

    name: str
    outcome: Outcome
    reason: str
    addresses: tuple[str, ...]
    times: int
    last_s: float


class SightingLog:
    """The last 128 different things that were seen."""

    def __init__(self) -> None:
        self._noted: OrderedDict[tuple[str, Outcome, str], Noted] = OrderedDict()

    def note(self, sighting: Sighting, outcome: Outcome, reason: str, now_s: float) -> bool:
        """Count the sighting; True when the log did not hold this one yet."""
        key = (sighting.name, outcome, reason)
        known = self._noted.pop(key, None)
        if known is None:
            known = Noted(sighting.name, outcome, reason, (), 0, now_s)
            if len(self._noted) >= LOG_SIZE:
                self._noted.popitem(last=False)
        self._noted[key] = replace(
            known, addresses=sighting.addresses, times=known.times + 1, last_s=now_s
        )
        return known.times == 0

    def lines(self) -> tuple[Noted, ...]:
        """What is in the log, latest first."""
        return tuple(reversed(self._noted.values()))


class Allowance:
    """At most `burst` at once, at most `per_s` a second after that; the rest is not allowed."""

    def __init__(self, *, burst: int, per_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._left = float(burst)
        self._last_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed now; if so it is taken."""
        if self._last_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._last_s) * self._per_s)
        self._last_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
