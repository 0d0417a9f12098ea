"""What the owner's settings make of this node's place among others."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from federation.federation import Federation
from federation.sharing import Shelf
from federation.trust import decode_code
from federation.wishes import Wishes, parse_peer
from settings import Settings
from swarm.pool import Pool
from swarm.propose import OwnProposer


def join_others(
    settings: Settings,
    pool: Pool,
    *,
    version: str,
    hardware: str,
    files: Mapping[str, Path],
    say: Callable[[str], None],
) -> Federation:
    """This node's place among others, not yet taken. Raises ConfigurationError."""
    wishes = Wishes(
        folder=settings.state,
        name=socket.gethostname(),
        version=version,
        port=settings.peer_port,
        join=decode_code(settings.join.get_secret_value()) if settings.join else None,
        open=settings.open,
        peers=tuple(parse_peer(peer, settings.peer_port) for peer in settings.peer),
        interfaces=settings.peer_interface,
        hardware=hardware,
        engine="llama.cpp",
    )
    chosen = settings.vote.for_peers
    return Federation(
        wishes,
        offers=lambda: tuple(o for o in pool.offers() if chosen is None or o.model in chosen),
        answers=OwnProposer(pool),
        shelf=Shelf(lambda: files),
        say=say,
    )
