"""Which member its owner means by a word: a name, or the first digits of a node id. Pure."""

from collections.abc import Sequence

from federation.peer import Peer
from federation.wire import Status
from swarm.errors import InvalidRequest

_LEAST_DIGITS = 4
"""The fewest digits that may name a member: fewer could be a machine's mistyped name."""


def member_meant(
    word: str, peers: Sequence[Peer[Status]], members: Sequence[str]
) -> tuple[str, str]:
    """The node id and the name of one of `peers` that were proved, or of the remembered `members`.

    Of a member that this node has not seen since it started, or for a day, only the id is known.
    Raises InvalidRequest that says who there is.
    """
    named = {peer.node_id: peer.name for peer in peers if peer.was_proved}
    unseen = [node_id for node_id in members if node_id not in named]
    digits = word.lower() if len(word) >= _LEAST_DIGITS else None
    found = [
        node_id
        for node_id in (*named, *unseen)
        if named.get(node_id) == word or (digits is not None and node_id.startswith(digits))
    ]
    if len(found) == 1:
        return found[0], named.get(found[0], _unnamed(found[0]))
    there = [f"{name} ({node_id[:8]})" for node_id, name in named.items()]
    there += [f"{_unnamed(node_id)} (not seen)" for node_id in unseen]
    message = f"{word!r} fits {'several' if found else 'none'} of the members; there is "
    message += ", ".join(there) or "none"
    if not found:
        message += "; a machine that is off and not named here is put out by "
        message += "`python main.py --new-code`"
    raise InvalidRequest(message, param="peer")


def _unnamed(node_id: str) -> str:
    return f"node {node_id[:8]}"
