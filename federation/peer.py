"""A peer as this node knows it: frozen values that the table replaces. Pure."""

from dataclasses import dataclass, field, replace
from typing import Generic, Literal, Protocol, TypeVar

from federation.breaker import Breaker
from federation.metrics import PeerMetrics
from federation.sightings import Sighting

Step = Literal["seen", "reachable", "authenticated", "ready"]
STEPS: tuple[Step, ...] = ("seen", "reachable", "authenticated", "ready")

Address = tuple[str, int]
MAX_ADDRESSES = 8

HEARTBEAT_EVERY_S = 1.5
RETRY_S = 0.25
# The side that did not probe waits a little longer, so that one connection a pair carries both.
_PASSIVE_S = HEARTBEAT_EVERY_S + 0.5
_BACKOFF_MAX_S = 4.0
_DUPLICATE_S = 60.0
_KEEP_SEEN_S = 180.0
_KEEP_GONE_S = 10.0
_KEEP_LOST_S = 24 * 3600.0
_PAST_EPOCHS = 8
_PROVED = 4


class Status(Protocol):
    """What a heartbeat told; this room reads the boot epoch only."""

    @property
    def epoch(self) -> object: ...


StatusT = TypeVar("StatusT", bound=Status)


@dataclass(frozen=True, slots=True)
class Failure:
    """The step that could not be taken, why, and when (monotonic)."""

    step: Step
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True)
class Peer(Generic[StatusT]):
    """Another node: where it stands, how it is reached, when it is asked next.

    `key` is the node id's first 16 hex digits, or `host:port` of a static peer that has not
    proved one. `node_id` is whole once proved, before that what it advertised, or empty. `name`
    is for people, `announced` the instance name that it was last announced under. `addresses`
    has the best first; `proved` are those of them at which it answered. `missed` counts
    failures in a row. Times are monotonic.
    """

    key: str
    node_id: str
    name: str
    addresses: tuple[Address, ...]
    last_seen_s: float
    next_probe_s: float
    announced: str = ""
    static: tuple[Address, ...] = ()
    proved: tuple[Address, ...] = ()
    state: Step = "seen"
    failing: Failure | None = None
    told: frozenset[Step] = frozenset()
    status: StatusT | None = None
    past_epochs: tuple[object, ...] = ()
    duplicate_until_s: float | None = None
    last_heard_s: float | None = None
    goodbye_s: float | None = None
    missed: int = 0
    attempts: int = 0
    breaker: Breaker = field(default_factory=Breaker)
    metrics: PeerMetrics = field(default_factory=PeerMetrics, compare=False)

    @property
    def address(self) -> Address | None:
        """Where it is asked next."""
        return self.addresses[0] if self.addresses else None

    @property
    def answers_at(self) -> Address | None:
        """Where it answered last: a request goes there, whichever address is probed next."""
        return self.proved[0] if self.proved else self.address

    @property
    def ways(self) -> tuple[Address, ...]:
        """All its addresses, first the one where it answered last."""
        return tuple(dict.fromkeys((*self.proved[:1], *self.addresses)))

    @property
    def was_proved(self) -> bool:
        """Whether it ever proved its node id to this node."""
        return self.last_heard_s is not None


ChangeKind = Literal[
    "found", "joined", "restarted", "duplicate", "lost", "refused", "unreachable", "stranger"
]


@dataclass(frozen=True, slots=True)
class Change(Generic[StatusT]):
    """Something worth a line in the log, once. `peer` is None for a stranger, `at` the address at
    which it failed: the peer is asked elsewhere next.
    """

    kind: ChangeKind
    reason: str
    peer: Peer[StatusT] | None = None
    sighting: Sighting | None = None
    at: Address | None = None


def with_address(peer: Peer[StatusT], address: Address) -> tuple[Address, ...]:
    """The peer's addresses with one more, at most 8.

    Where there is no room, what was merely announced goes first: who announces much must not
    push out what was proved.
    """
    if address in peer.addresses:
        return peer.addresses
    addresses = (*peer.addresses, address)
    if len(addresses) <= MAX_ADDRESSES:
        return addresses
    firm = {*peer.proved, *peer.static}
    victim = next((known for known in peer.addresses if known not in firm), address)
    return tuple(known for known in addresses if known != victim)


def proved_at(peer: Peer[StatusT], address: Address) -> Peer[StatusT]:
    """The peer after it answered at the address, which is now its best."""
    proved = tuple(known for known in peer.proved if known != address)[: _PROVED - 1]
    peer = replace(peer, proved=(address, *proved))
    others = tuple(known for known in with_address(peer, address) if known != address)
    return replace(peer, addresses=(address, *others)[:MAX_ADDRESSES])


def without_address(peer: Peer[StatusT], address: Address) -> Peer[StatusT]:
    """The peer after another node answered at the address."""
    return replace(
        peer,
        addresses=tuple(known for known in peer.addresses if known != address),
        proved=tuple(known for known in peer.proved if known != address),
        static=tuple(known for known in peer.static if known != address),
    )


def moved_over(peer: Peer[StatusT], now_s: float) -> Peer[StatusT]:
    """The peer after this node's federation changed its code: due at once, and nothing is proved.

    That it has another code is not told: it may be the one that was put out.
    """
    return Peer(
        peer.key,
        peer.node_id,
        peer.name,
        peer.ways,
        now_s,
        now_s,
        announced=peer.announced,
        static=peer.static,
        told=frozenset[Step]({"authenticated"}),
        metrics=peer.metrics,
    )


def asked_soon(peer: Peer[StatusT], now_s: float) -> Peer[StatusT]:
    """Due now, but not again right after it answered: hints come from anybody, at any rate."""
    heard_s = peer.last_heard_s if peer.last_heard_s is not None else now_s - RETRY_S
    return replace(peer, next_probe_s=min(peer.next_probe_s, max(now_s, heard_s + RETRY_S)))


def called(
    peer: Peer[StatusT], came_from: Address | None, now_s: float, *, follows: bool
) -> Peer[StatusT]:
    """It called this node: probed soon unless it is ready, and no worry is taken away.

    A call says that the way on which it came is alive, and nothing of another one: a ready peer
    that called from elsewhere is asked as if it had not. `follows`: then this node takes its way,
    and not the other way round, so that the two settle on one.
    """
    if peer.state != "ready":
        return replace(peer, next_probe_s=min(peer.next_probe_s, now_s + RETRY_S))
    if peer.missed:
        return peer
    if came_from in (None, peer.address):
        return replace(peer, next_probe_s=now_s + _PASSIVE_S)
    if came_from not in peer.addresses:
        return peer
    best, *others = (known for known in peer.addresses if known != came_from)
    first = (came_from, best) if follows and came_from in peer.proved else (best, came_from)
    return replace(peer, addresses=(*first, *others))


def judge_epoch(
    peer: Peer[StatusT], status: StatusT, now_s: float
) -> tuple[Peer[StatusT], list[Change[StatusT]]]:
    """A boot epoch that comes back after another one: two machines live with one key.

    A restart never returns to an epoch of the past.
    """
    if peer.status is None or status.epoch == peer.status.epoch:
        return peer, []
    if status.epoch not in peer.past_epochs:
        past = (*peer.past_epochs, peer.status.epoch)[-_PAST_EPOCHS:]
        peer = replace(peer, past_epochs=past, breaker=Breaker())
        return peer, [Change("restarted", "", peer)] if peer.state == "ready" else []
    is_told = peer.duplicate_until_s is not None and now_s < peer.duplicate_until_s
    past = (*(e for e in peer.past_epochs if e != status.epoch), peer.status.epoch)[-_PAST_EPOCHS:]
    peer = replace(peer, past_epochs=past, duplicate_until_s=now_s + _DUPLICATE_S)
    reason = "two machines answer with one node id; they have one vote"
    return peer, [] if is_told else [Change("duplicate", reason, peer)]


def pause_s(peer: Peer[StatusT]) -> float:
    """Address after address without a pause, then twice as long each round, at most 4 s."""
    rounds, rest = divmod(peer.attempts, max(1, len(peer.addresses)))
    return RETRY_S if rest else min(_BACKOFF_MAX_S, 0.5 * 2.0 ** min(rounds - 1, 8))


def kept_until_s(peer: Peer[StatusT]) -> float:
    """When a peer that is neither ready nor static is forgotten."""
    if peer.last_heard_s is not None:
        return peer.last_heard_s + _KEEP_LOST_S
    if peer.goodbye_s is not None:
        return peer.goodbye_s + _KEEP_GONE_S
    return peer.last_seen_s + _KEEP_SEEN_S
