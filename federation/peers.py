"""The table of peers: one entry a node id, bounded, expiring; whom to probe, and what changed.

Pure: no clock, no I/O, every method is told `now_s` (monotonic). Announcements are hints; only
what the peer door proved makes a peer `ready`.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Generic

from federation.advertisement import NODE_PREFIX_HEX, Advertisement, machine_of
from federation.breaker import Breaker
from federation.peer import (
    HEARTBEAT_EVERY_S,
    RETRY_S,
    STEPS,
    Address,
    Change,
    Failure,
    Peer,
    StatusT,
    Step,
    asked_soon,
    called,
    judge_epoch,
    kept_until_s,
    moved_over,
    pause_s,
    proved_at,
    with_address,
    without_address,
)
from federation.sightings import Allowance, Noted, Outcome, Sighting, SightingLog
from swarm.errors import ConfigurationError

TABLE_SIZE = 256
MISSED_FOR_LOST = 3


class PeerTable(Generic[StatusT]):
    """The peers of one node in one federation (`node_id` whole, `federation` 16 hex digits)."""

    def __init__(self, node_id: str, federation: str) -> None:
        self._node_id = node_id
        self._federation = federation
        self._peers: dict[str, Peer[StatusT]] = {}
        self._log = SightingLog()
        # Anybody may announce anything: neither lines nor probes may follow without bound.
        self._lines = Allowance(burst=32, per_s=0.5)
        self._probes = Allowance(burst=64, per_s=32)

    @property
    def federation(self) -> str:
        """The federation of the node, by its present code."""
        return self._federation

    def __len__(self) -> int:
        return len(self._peers)

    def peers(self) -> tuple[Peer[StatusT], ...]:
        """Everybody in the table, ordered by key."""
        return tuple(self._peers[key] for key in sorted(self._peers))

    def find(self, key: str) -> Peer[StatusT] | None:
        """The peer with this key or node id."""
        return self._peers.get(_key(key))

    def ready(self) -> tuple[Peer[StatusT], ...]:
        """The peers that take part now, ordered by key."""
        return tuple(peer for peer in self.peers() if peer.state == "ready")

    def proved(self) -> tuple[Peer[StatusT], ...]:
        """The peers that ever proved who they are, whether they run or not, ordered by key."""
        return tuple(peer for peer in self.peers() if peer.was_proved)

    def sightings(self) -> tuple[Noted, ...]:
        """What was seen and what became of it, latest first."""
        return self._log.lines()

    def belong_to(self, federation: str, members: Collection[str], now_s: float) -> None:
        """This node changed its federation: nobody is proved any more, static addresses stay.

        Those of its `members` (whole node ids) that were known before may live where they did.
        """
        before = self.peers()
        self._federation = federation
        self._peers.clear()
        for peer in before:
            if peer.node_id in members:
                self._put(moved_over(peer, now_s))
                continue
            for address in peer.static:
                self._put(_placeholder(address, now_s))

    def sighted(self, sighting: Sighting, now_s: float) -> list[Change[StatusT]]:
        """A name was announced: a member of ours enters the table, the rest is noted."""
        told = sighting.advertisement
        if told is None:
            reason = sighting.problem or "it could not be resolved"
            return self._stranger(sighting, "not understood", reason, now_s)
        if told.node == _key(self._node_id):
            self._log.note(sighting, "this node", "", now_s)
            return []
        if told.federation != self._federation:
            reason = f"it belongs to federation {told.federation}"
            return self._stranger(sighting, "other federation", reason, now_s)
        if told.port == 0:
            self._log.note(sighting, "door closed", "its peer door is closed", now_s)
            return []
        self._log.note(sighting, "member", "", now_s)
        return self._member(sighting, told, now_s)

    def gone(self, name: str, now_s: float) -> None:
        """A goodbye or an expired record. Anybody can say goodbye for others: the peer is asked."""
        for peer in list(self._peers.values()):
            if peer.announced == name:
                self._put(replace(asked_soon(peer, now_s), goodbye_s=now_s))

    def add_static(self, host: str, port: int, now_s: float) -> None:
        """A peer that the owner named; it is never forgotten.

        ConfigurationError when the table has no room for it.
        """
        address = (host, port)
        if any(address in peer.static for peer in self._peers.values()):
            return
        if not self._make_room(proved=True):
            raise ConfigurationError(f"more than {TABLE_SIZE} peers are named")
        self._put(_placeholder(address, now_s))

    def due(self, now_s: float) -> list[Peer[StatusT]]:
        """Whom to probe now, ready ones first. Until the outcome is told they are not due again."""
        waiting = [p for p in self._peers.values() if p.addresses and p.next_probe_s <= now_s]
        waiting.sort(key=lambda peer: (peer.state != "ready", not peer.was_proved, peer.key))
        due = [p for p in waiting if p.was_proved or p.static or self._probes.take(now_s)]
        for peer in due:
            self._put(replace(peer, next_probe_s=now_s + HEARTBEAT_EVERY_S))
        return due

    def heard(
        self,
        via: Address | str,
        node_id: str,
        status: StatusT,
        now_s: float,
        *,
        name: str = "",
        came_from: Address | None = None,
    ) -> list[Change[StatusT]]:
        """A node proved its id and told its status.

        `via` is the address at which it answered this node's probe, or its node id when it is
        the one that called: being called proves nothing of the way back, so that alone makes
        nobody ready. `name` is what it told of itself, `came_from` whence it called.
        """
        answered = via if isinstance(via, tuple) else None
        if node_id == self._node_id:
            return self._met_itself(answered, now_s)
        found = self._peers.get(_key(node_id))
        if found is None and not self._make_room(proved=True):
            return []
        known: Peer[StatusT] = found or Peer(_key(node_id), node_id, "", (), now_s, now_s)
        if known.was_proved and known.node_id != node_id:
            return []  # 2^64 keys to try for an id that begins alike; the first one stays
        peer = replace(known, node_id=node_id, name=name or known.name or node_id[:8])
        if came_from is not None:
            peer = replace(peer, addresses=with_address(peer, came_from))
        peer, changes = judge_epoch(peer, status, now_s)
        peer = replace(peer, status=status, last_heard_s=now_s, goodbye_s=None)
        if answered is not None:
            return [*self._answered(peer, answered, now_s), *changes]
        self._put(called(peer, came_from, now_s, follows=self._node_id > node_id))
        return changes

    def failed(
        self, key: str, step: Step, reason: str, now_s: float, *, at: Address | None = None
    ) -> list[Change[StatusT]]:
        """A probe failed at `step`; its next address is tried next. Three in a row: lost.

        `at`: the address that was probed, if it is not the best any more.
        """
        peer = self.find(key)
        if peer is None:
            return []
        at = at or peer.address
        last = tuple(known for known in peer.addresses if known == at)
        peer = replace(
            peer,
            failing=Failure(step, reason, now_s),
            addresses=(*(known for known in peer.addresses if known not in last), *last),
            missed=peer.missed + 1,
        )
        if peer.state == "ready" and peer.missed < MISSED_FOR_LOST:
            self._put(replace(peer, next_probe_s=now_s + RETRY_S))
            return []
        was_ready = peer.state == "ready"
        peer = replace(
            peer,
            state=STEPS[max(0, STEPS.index(step) - 1)],
            attempts=1 if was_ready else peer.attempts + 1,
            told=frozenset({step}) if was_ready else peer.told,
        )
        self._put(replace(peer, next_probe_s=now_s + pause_s(peer)))
        if was_ready:
            return [Change("lost", reason, peer, at=at)]
        return self._tell(peer, step, now_s, at)

    def may_ask(self, node_id: str, now_s: float) -> bool:
        """Whether a request may go to the peer now; if so it counts as begun.

        Every request that may go ends in exactly one of the three methods below.
        """
        peer = self.find(node_id)
        if peer is None or peer.state != "ready" or not peer.breaker.allows(now_s):
            return False
        self._put(replace(peer, breaker=peer.breaker.began(now_s)))
        return True

    def request_succeeded(self, node_id: str) -> None:
        """The peer answered the request."""
        self._with_breaker(node_id, lambda _: Breaker())

    def request_dropped(self, node_id: str) -> None:
        """The request was cancelled here, or the peer was busy: neither good nor bad."""
        self._with_breaker(node_id, Breaker.dropped)

    def request_failed(self, node_id: str, now_s: float) -> None:
        """The peer failed the request: it is probed at once, and lost if that fails too."""
        self._with_breaker(node_id, lambda breaker: breaker.failed(now_s))
        peer = self.find(node_id)
        if peer is not None and peer.state == "ready":
            missed = max(peer.missed, MISSED_FOR_LOST - 1)
            self._put(replace(peer, missed=missed, next_probe_s=now_s))

    def forget_old(self, now_s: float) -> None:
        """Drop who was announced and never proved, and who is lost for a day."""
        for peer in list(self._peers.values()):
            if not peer.static and peer.state != "ready" and now_s >= kept_until_s(peer):
                del self._peers[peer.key]

    def _put(self, peer: Peer[StatusT]) -> None:
        self._peers[peer.key] = peer

    def _with_breaker(self, node_id: str, change: Callable[[Breaker], Breaker]) -> None:
        peer = self.find(node_id)
        if peer is not None:
            self._put(replace(peer, breaker=change(peer.breaker)))

    def _stranger(
        self, sighting: Sighting, outcome: Outcome, reason: str, now_s: float
    ) -> list[Change[StatusT]]:
        if self._log.note(sighting, outcome, reason, now_s) and self._lines.take(now_s):
            return [Change("stranger", reason, sighting=sighting)]
        return []

    def _member(
        self, sighting: Sighting, told: Advertisement, now_s: float
    ) -> list[Change[StatusT]]:
        known = self._peers.get(told.node)
        if known is None and not self._make_room(proved=False):
            return []
        name = machine_of(sighting.name)
        peer: Peer[StatusT] = known or Peer(told.node, told.node, name, (), now_s, now_s)
        before = peer.addresses
        for host in sighting.addresses:
            peer = replace(peer, addresses=with_address(peer, (host, told.port)))
        is_news = peer.addresses != before or peer.goodbye_s is not None
        if is_news and peer.state != "ready":
            peer = asked_soon(peer, now_s)
        peer = replace(peer, last_seen_s=now_s, goodbye_s=None, announced=sighting.name)
        self._put(peer)
        is_found = known is None and self._lines.take(now_s)
        return [Change("found", "", peer, sighting)] if is_found else []

    def _met_itself(self, address: Address | None, now_s: float) -> list[Change[StatusT]]:
        claimants = [peer for peer in self._peers.values() if address in peer.addresses]
        reason = "at its address this node itself answers"
        return [change for p in claimants for change in self.failed(p.key, "ready", reason, now_s)]

    def _answered(
        self, peer: Peer[StatusT], address: Address, now_s: float
    ) -> list[Change[StatusT]]:
        """The address is this peer's, whoever else claimed it."""
        others = [p for p in self._peers.values() if address in p.addresses and p.key != peer.key]
        changes = [change for other in others for change in self._take(other, address, now_s)]
        static = {*peer.static, *(a for other in others for a in other.static if a == address)}
        was_ready = peer.state == "ready"
        peer = replace(
            proved_at(replace(peer, static=tuple(sorted(static))), address),
            state="ready",
            failing=None,
            told=frozenset[Step](),
            missed=0,
            attempts=0,
            next_probe_s=now_s + HEARTBEAT_EVERY_S,
        )
        self._put(peer)
        return changes if was_ready else [*changes, Change("joined", "", peer)]

    def _take(self, peer: Peer[StatusT], address: Address, now_s: float) -> list[Change[StatusT]]:
        left = without_address(peer, address)
        if not left.was_proved and not left.addresses:
            del self._peers[left.key]
            return []
        if left.addresses or left.state != "ready":
            self._put(left)
            return []
        reason = "another node answers at its address"
        left = replace(left, state="seen", failing=Failure("reachable", reason, now_s))
        self._put(left)
        return [Change("lost", reason, left)]

    def _tell(
        self, peer: Peer[StatusT], step: Step, now_s: float, at: Address | None
    ) -> list[Change[StatusT]]:
        """A line for each step that fails, once; no connection only when it fails again."""
        is_early = step == "reachable" and peer.attempts < MISSED_FOR_LOST
        if is_early or step in peer.told or not (peer.was_proved or self._lines.take(now_s)):
            return []
        peer = replace(self._peers[peer.key], told=peer.told | {step})
        self._put(peer)
        reason = peer.failing.reason if peer.failing else ""
        return [Change("unreachable" if step == "reachable" else "refused", reason, peer, at=at)]

    def _make_room(self, *, proved: bool) -> bool:
        """Whether there is a place, after the least worth one went.

        Announcements only push out announcements that were tried in vain, so that in a storm of
        them everyone who got in is asked once.
        """
        if len(self._peers) < TABLE_SIZE:
            return True
        idle = [peer for peer in self._peers.values() if not peer.static and peer.state != "ready"]
        if not proved:
            idle = [peer for peer in idle if not peer.was_proved and peer.attempts]
        if not idle:
            return False
        victim = min(idle, key=lambda p: (p.was_proved, not p.attempts, p.last_seen_s))
        del self._peers[victim.key]
        return True


def _key(node_id: str) -> str:
    return node_id if ":" in node_id else node_id[:NODE_PREFIX_HEX]


def _placeholder_key(address: Address | None) -> str:
    return f"{address[0]}:{address[1]}" if address else ""


def _placeholder(address: Address, now_s: float) -> Peer[StatusT]:
    key = _placeholder_key(address)
    return Peer(key, "", address[0], (address,), now_s, now_s, static=(address,))
