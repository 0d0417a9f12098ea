"""What the owner's settings make of this node's place among others."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from federation.copying import copy_from_peers
from federation.federation import Federation
from federation.sharing import Shelf
from federation.trust import decode_code
from federation.wishes import Wishes, parse_peer
from settings import Settings
from swarm.models.hub import copied_folder
from swarm.models.wanted import Moved, Wanted
from swarm.pool import Pool
from swarm.propose import OwnProposer
from swarm.successor import Copy


def copied_from_peers(settings: Settings, wanted: Wanted, folder: Path) -> bool:
    """Copy a model's files from a member of this node's federation; whether one had them all."""
    wishes = _wishes(settings, version="", hardware="")
    return copy_from_peers(wishes, wanted.files, folder, total_bytes=wanted.size_bytes)


def copy_into(cache: Path, federation: Federation) -> Copy:
    """How a model comes from a peer of a node that runs, into this cache of the hub."""

    async def copy(wanted: Wanted, moved: Moved) -> bool:
        here = 0

        def more(count: int) -> None:
            nonlocal here
            here += count
            moved(here)

        return await federation.copy(wanted.files, copied_folder(wanted, cache), more)

    return copy


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
    wishes = _wishes(settings, version=version, hardware=hardware)
    chosen = settings.vote.for_peers
    return Federation(
        wishes,
        offers=lambda: tuple(o for o in pool.offers() if chosen is None or o.model in chosen),
        answers=OwnProposer(pool),
        shelf=Shelf(lambda: files),
        say=say,
    )


def _wishes(settings: Settings, *, version: str, hardware: str) -> Wishes:
    return Wishes(
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
