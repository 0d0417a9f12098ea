"""The hub and its cache on this machine: where files come from, and which are here already."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from swarm.errors import ConfigurationError
from swarm.models.card import Card, Format
from swarm.models.catalogue import load_catalogue
from swarm.models.find import wanted
from swarm.models.local import WEIGHTS, LocalModel, brought_model, part_names, scan_models
from swarm.models.machine import Known
from swarm.models.wanted import Wanted
from swarm.places import at_home, check_home, may_look_into, tell_of_closed

SPARE_BYTES = 1 << 30
"""What a download leaves free on the disk."""

PATIENCE_S = 3.0
"""How long the hub may take to answer at all: its library would try for half a minute."""

PLAIN_BYTES = 50 * 10**9
"""The largest file that the hub gives by plain HTTP."""

FROM_PEERS = "from-peers"
"""Folder of the cache with what was copied from peers."""


@dataclass(frozen=True, slots=True)
class Hub:
    """Where files come from, and where they are kept; None is the library's own choice.

    `spare_bytes` stay free on the disk; a hub that says nothing for `patience_s` is not there, and
    one that wants to be left alone for more than `wait_s` refuses.
    Files of more than `plain_bytes` come by its own protocol only.
    """

    cache: Path
    endpoint: str | None = None
    token: str | None = None
    offline: bool = False
    spare_bytes: int = SPARE_BYTES
    patience_s: float = PATIENCE_S
    wait_s: float = PATIENCE_S
    plain_bytes: int = PLAIN_BYTES


def hub_of(environ: Mapping[str, str]) -> Hub:
    """The hub by the variables that people have set for it anyway."""
    caches = environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = at_home(Path(environ.get("HF_HOME", f"{caches}/huggingface")))
    return Hub(
        cache=at_home(Path(environ.get("HF_HUB_CACHE", home / "hub"))),
        endpoint=environ.get("HF_ENDPOINT") or None,
        token=environ.get("HF_TOKEN", "").strip() or _stored_token(home),
        offline=environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"),
    )


def check_cache(cache: Path) -> None:
    """Raise ConfigurationError where nothing can be kept, for the cache lies in nobody's home."""
    check_home(cache, "name a folder for models in HF_HOME")


def downloaded(cards: Iterable[Card], kind: Format, hub: Hub) -> list[LocalModel]:
    """The releases of these cards that are wholly in the cache, by their full ids."""
    if not may_look_into(hub.cache):
        return []
    releases = [wanted(card, release) for card in cards for release in card.of(kind)]
    for place in (repository_folder, copied_folder):
        files = {place(each, hub.cache) for each in releases if each.files}
        tell_of_closed(files)  # whole_folder tells of what it looks into itself
    return [model for each in releases if (model := in_cache(each, hub.cache)) is not None]


def known_in(folder: Path, kind: Format, hub: Hub) -> Known:
    """What there is to choose from: the files of a models folder, the catalogue with the cards that
    the folder adds, and what was brought here earlier.
    """
    cards = load_catalogue(folder / "cards" if may_look_into(folder) else None)
    return Known(scan_models(folder), cards, downloaded(cards, kind, hub))


def copied_folder(wanted: Wanted, cache: Path) -> Path:
    """Where files of a repository are that came from a peer."""
    return cache / FROM_PEERS / wanted.repository.replace("/", "--")


def in_cache(wanted: Wanted, cache: Path) -> LocalModel | None:
    """What was brought here earlier, from the hub or a peer; None where a part of it is missing."""
    folders = (copied_folder(wanted, cache), _snapshot(wanted, cache))
    if not wanted.files:
        return whole_folder(wanted, cache)
    for folder in folders:
        paths = [folder / name for name in wanted.files]
        if all(map(os.path.isfile, paths)):  # False too for what this user may not look at
            return brought_model(wanted, paths[0])
    return None


def whole_folder(wanted: Wanted, cache: Path) -> LocalModel | None:
    """An MLX repository that is in the cache with all weights, which come last.

    What broke off among its blobs may be of another version, which nobody goes on with.
    """
    folder = _snapshot(wanted, cache)
    if not may_look_into(folder) or not _all_numbered(folder):
        return None
    try:
        return brought_model(wanted, folder)
    except ConfigurationError:  # such as one of which not all weights are here
        return None


def _all_numbered(folder: Path) -> bool:
    """Whether no part of several is missing; what lists them may be missing itself."""
    names = {path.name for path in folder.glob(f"*{WEIGHTS}")}
    return names.issuperset(chain(*map(part_names, names)))


def repository_folder(wanted: Wanted, cache: Path) -> Path:
    """The folder of a repository, as the hub's library names it."""
    return cache / f"models--{wanted.repository.replace('/', '--')}"


def _snapshot(wanted: Wanted, cache: Path) -> Path:
    repository = repository_folder(wanted, cache)
    revision = wanted.revision or "main"
    reference = repository / "refs" / revision
    try:
        commit = reference.read_text(encoding="utf-8")
    except OSError:  # a commit has no reference
        commit = revision
    return repository / "snapshots" / commit


def _stored_token(home: Path) -> str | None:
    """What `hf auth login` has left."""
    try:
        return (home / "token").read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
