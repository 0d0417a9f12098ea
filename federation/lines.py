"""What is said of peers: a line for each change, and names that tell them apart. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from federation.peer import Change, ChangeKind, Peer
from federation.wire import Status
from swarm.proposer import Offer

_TOLD: dict[ChangeKind, str] = {
    "found": "found {name}{where}",
    "joined": "{name}{where} takes part: {models}",
    "restarted": "{name}{where} was started again",
    "lost": "lost {name}{where}{why}",
    "unreachable": "{name}{where} cannot be reached{why}",
    "refused": "{name}{where} is left out{why}",
    "duplicate": "{name}{where}{why}",
    "stranger": "{name}{where} is no peer{why}",
}


def line_of(change: Change[Status]) -> str:
    """One line for the log."""
    peer, told = change.peer, change.sighting
    where = ""
    if peer is not None and (address := change.at or peer.address) is not None:
        where = f" at {address[0]}"
    elif told is not None and told.addresses:
        where = f" at {told.addresses[0]}"
    name = peer.name if peer is not None else told.name if told is not None else "a node"
    why = f": {change.reason}" if change.reason else ""
    told_by = _TOLD[change.kind]
    models = ", ".join(offer.model for offer in _models(change)) or "no model yet"
    return told_by.format(name=name, where=where, why=why, models=models)


def unique(name: str, names: Mapping[str, int], node_id: str) -> str:
    """The name, with a part of the node id where `names` counts it more than once."""
    return name if names[name] < 2 else told_apart(name, node_id)


def told_apart(name: str, node_id: str) -> str:
    """The name as it is where another node has it too."""
    return f"{name}-{node_id[:4]}"


def shown_names(peers: Sequence[Peer[Status]]) -> dict[str, str]:
    """A name for each of the peers, by node id: of all that were proved, whether or not they are
    ready, so that who goes off or comes back renames nobody.
    """
    names = Counter(peer.name for peer in peers)
    return {peer.node_id: unique(peer.name, names, peer.node_id) for peer in peers}


def _models(change: Change[Status]) -> Sequence[Offer]:
    peer = change.peer
    return peer.status.models if peer is not None and peer.status is not None else ()
