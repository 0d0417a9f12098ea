"""How much discovery may do, and how it stands: values for its owner and for diagnostics."""

from dataclasses import dataclass

from hardware.interfaces import LanAddress


@dataclass(frozen=True, slots=True)
class Pace:
    """How often and how much: seconds, names, names a second.

    mDNS asks little by itself once it has started, and nothing after the records of a long
    partition have expired: so it is asked again, every minute. In a flood of names its cache
    pushes out the addresses of real peers: so the sockets are opened anew, which empties it.
    """

    ask_again_s: float = 60.0
    retry_s: float = 1.0
    retry_max_s: float = 60.0
    reopen_s: float = 10.0
    resolve_s: float = 3.0
    backlog: int = 1024
    names_per_s: int = 512


@dataclass(frozen=True, slots=True)
class DiscoveryState:
    """What discovery does and hears, for diagnostics. Times are of its clock.

    `heard_self_s`: this node's own announcement came back, so sending and receiving work here.
    `heard_others_s`: another machine of any kind was heard; None means that multicast does not
    reach this node. Both are of the addresses that it has now. `dropped` names were too many at
    once; `flooded` says that it happens now.
    """

    addresses: tuple[LanAddress, ...]
    is_open: bool
    heard_self_s: float | None = None
    heard_others_s: float | None = None
    sightings: int = 0
    goodbyes: int = 0
    dropped: int = 0
    opened: int = 0
    flooded: bool = False
    last_error: str | None = None
