"""What a node knows of its federation, as plain data. No secret is in it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from federation.discovery import DiscoveryState
from federation.peer import Peer
from federation.sightings import Noted
from federation.wire import Status


def peer_object(peer: Peer[Status], now_s: float, wall_s: float) -> dict[str, Any]:
    """One peer: where it stands, what it runs and did; `clock_offset_s` is its clock's lead.

    `left_out_s`: for how long yet it is not asked, after it failed three questions in a row.
    """
    status = peer.status
    failing = peer.failing
    since_s = now_s - peer.last_heard_s if peer.last_heard_s is not None else None
    return {
        "node": peer.node_id,
        "name": peer.name,
        "state": peer.state,
        "addresses": [f"{host} port {port}" for host, port in peer.addresses],
        "named_by_owner": bool(peer.static),
        "failing": None
        if failing is None
        else {
            "step": failing.step,
            "reason": failing.reason,
            "seconds_ago": round(now_s - failing.at_s, 1),
        },
        "heard_seconds_ago": None if since_s is None else round(since_s, 1),
        "missed_heartbeats": peer.missed,
        "left_out_s": round(peer.breaker.left_out_s(now_s), 1),
        "duplicate": peer.duplicate_until_s is not None and now_s < peer.duplicate_until_s,
        "version": status.version if status else None,
        "hardware": status.hardware if status else None,
        "engine": status.engine if status else None,
        "models": [asdict(offer) for offer in status.models] if status else [],
        "clock_offset_s": round(status.clock_s - wall_s + (since_s or 0.0), 1) if status else None,
        "metrics": asdict(peer.metrics.summary()),
    }


def sighting_object(noted: Noted, now_s: float) -> dict[str, Any]:
    """One line of what was seen on the network and what became of it."""
    return {
        "name": noted.name,
        "outcome": noted.outcome,
        "reason": noted.reason,
        "addresses": list(noted.addresses),
        "times": noted.times,
        "last_seconds_ago": round(now_s - noted.last_s, 1),
    }


def discovery_object(
    state: DiscoveryState | None, noted: Sequence[Noted], now_s: float
) -> dict[str, Any]:
    """What discovery uses and hears."""
    told = asdict(state) if state is not None else {}
    for whom in ("heard_self", "heard_others"):
        heard_s = told.pop(f"{whom}_s", None)
        told[f"{whom}_seconds_ago"] = None if heard_s is None else round(now_s - heard_s, 1)
    return {**told, "sightings": [sighting_object(line, now_s) for line in noted]}
