"""What the owner's settings make of this node's place among others."""

import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from api.metrics import Metrics
from federation.copying import copy_from_peers
from federation.federation import Federation
from federation.sharing import Shelf
from federation.statuses import Sayable
from federation.trust import decode_code
from federation.wire import HARDWARE_CHARACTERS, LABEL_CHARACTERS
from federation.wishes import Wishes, parse_peer
from printable import printable
from settings import Settings, VoteSettings
from swarm.models.hub import check_cache, copied_folder
from swarm.models.local import AnyModel
from swarm.models.wanted import Moved, Wanted
from swarm.pool import Pool
from swarm.propose import OwnProposer
from swarm.proposer import Offer
from swarm.successor import Copy


def copied_from_peers(settings: Settings, wanted: Wanted, folder: Path) -> bool:
    """Copy a model's files from a member of this node's federation; whether one had them all."""
    wishes = _wishes(settings)
    return copy_from_peers(wishes, wanted.files, folder, total_bytes=wanted.size_bytes)


def copy_into(cache: Path, federation: Federation) -> Copy:
    """How a model comes from a peer of a node that runs, into this cache of the hub."""

    async def copy(wanted: Wanted, moved: Moved) -> bool:
        check_cache(cache)
        return await federation.copy(wanted.files, copied_folder(wanted, cache), moved)

    return copy


def join_others(
    settings: Settings,
    pool: Pool,
    *,
    version: str,
    hardware: str,
    engine: str,
    files: Mapping[str, Path],
    vote: Callable[[], VoteSettings],
    metrics: Metrics,
    say: Callable[[str], None],
) -> Federation:
    """This node's place among others, not yet taken; `vote` is what the owner's table says now.
    What it answers to peers is counted in `metrics`.

    Raises ConfigurationError.
    """
    sayable = Sayable()
    return Federation(
        _wishes(settings, version=version, hardware=hardware, engine=engine),
        offers=lambda: sayable.of(offered(pool, vote())),
        answers=OwnProposer(
            pool,
            watch=metrics.watch_peers,
            votes_with=lambda model: _is_for_peers(model, vote()),
        ),
        shelf=Shelf(lambda: files),
        say=say,
    )


def offered(pool: Pool, vote: VoteSettings) -> tuple[Offer, ...]:
    """The models with which this node votes in its peers' answers."""
    return tuple(each for each in pool.offers() if _is_for_peers(each.model, vote))


def _is_for_peers(model: str, vote: VoteSettings) -> bool:
    return vote.for_peers is None or model in vote.for_peers


def engine_of(model: AnyModel) -> str:
    """What runs a model, in a word."""
    return {"gguf": "llama.cpp", "mlx": "MLX", "upstream": "upstream"}[model.format]


def _wishes(
    settings: Settings, *, version: str = "", hardware: str = "", engine: str = ""
) -> Wishes:
    return Wishes(
        folder=settings.state,
        name=_cut(socket.gethostname(), LABEL_CHARACTERS),
        version=version,
        port=settings.peer_port,
        join=decode_code(settings.join.get_secret_value()) if settings.join else None,
        open=settings.open,
        peers=tuple(parse_peer(peer, settings.peer_port) for peer in settings.peer),
        interfaces=settings.peer_interface,
        hardware=_cut(hardware, HARDWARE_CHARACTERS),
        engine=engine,
    )


def _cut(text: str, most: int) -> str:
    """As much of it as peers read."""
    return printable(text if len(text) <= most else f"{text[: most - 1]}\u2026")
