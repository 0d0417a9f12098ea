"""Brings model files here: from the hub's cache, from a peer, from the hub. Blocking.

The hub's own library does cache, resume and retries; what it leaves out is done here: room on the
disk is checked before, the SHA-256 that the hub names after.
"""

import hashlib
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2

# The library's own types leave the elements of a dict and a progress bar open.
from huggingface_hub import (
    hf_hub_download,  # pyright: ignore[reportUnknownVariableType]
    snapshot_download,  # pyright: ignore[reportUnknownVariableType]
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm.asyncio import tqdm

from swarm.errors import ConfigurationError
from swarm.models.fit import gib
from swarm.models.hub import Hub, copied_folder
from swarm.models.wanted import Fetch, Unreachable, Wanted

log = logging.getLogger(__name__)

WAY_TIMEOUT_S = 5.0
"""How long a connection to the hub may take: its library would try for half a minute."""

_SHA256_LENGTH = 64
_ENDPOINT = "https://huggingface.co"


class _Bar(tqdm):  # pyright: ignore[reportMissingTypeArgument]  (only so in its stubs)
    """A progress bar without the thread that the library starts to refresh idle ones."""

    monitor_interval = 0


def bring(wanted: Wanted, hub: Hub, *, from_peer: Fetch | None = None) -> Path:
    """The file to load, or the folder of an MLX model, here and checked.

    Raises Unreachable without a way to the hub, ConfigurationError for everything else, and says
    what can be done.
    """
    copied = _from_peer(wanted, hub, from_peer)
    if copied is not None:
        return copied
    try:
        if not wanted.files:
            return _folder(wanted, hub)
        first, *_ = [_file(wanted, name, hub) for name in wanted.files]
        return first
    except HFValidationError as error:
        raise ConfigurationError(f"{wanted.id}: {error}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise _explained(wanted, hub, error) from error


def _file(wanted: Wanted, name: str, hub: Hub) -> Path:
    where: Any = {
        "revision": wanted.revision,
        "cache_dir": hub.cache,
        "endpoint": hub.endpoint,
        "token": hub.token or False,
        "local_files_only": hub.offline,
    }
    if not hub.offline and not _is_cached(wanted, name, where):
        _check_way(wanted, hub)
    about = hf_hub_download(wanted.repository, name, dry_run=True, **where)
    size_bytes = about.file_size or 0
    if about.will_download:
        _check_room(wanted, size_bytes, hub)
        log.info("downloading %s (%s) from %s", name, gib(size_bytes), wanted.repository)
    path = Path(str(hf_hub_download(wanted.repository, name, tqdm_class=_Bar, **where)))  # pyright: ignore[reportUnknownArgumentType]
    if about.will_download:
        _check_sum(wanted, path)
    return path


def _is_cached(wanted: Wanted, name: str, where: Mapping[str, Any]) -> bool:
    try:
        offline: Any = {**where, "local_files_only": True}
        hf_hub_download(wanted.repository, name, **offline)
    except LocalEntryNotFoundError:
        return False
    return True


def _check_way(wanted: Wanted, hub: Hub) -> None:
    """Raises Unreachable where nothing answers; what it answers does not matter."""
    endpoint = hub.endpoint or _ENDPOINT
    try:
        httpx2.head(endpoint, timeout=WAY_TIMEOUT_S)
    except httpx2.HTTPError as error:
        message = f"{wanted.id} is not here, and {endpoint} cannot be reached ({error})"
        raise Unreachable(message) from error


def _folder(wanted: Wanted, hub: Hub) -> Path:
    """A whole repository; files beside the model itself are left out."""
    if wanted.size_bytes and not hub.offline:
        _check_room(wanted, wanted.size_bytes, hub)
    return Path(
        snapshot_download(
            wanted.repository,
            revision=wanted.revision,
            cache_dir=hub.cache,
            endpoint=hub.endpoint,
            token=hub.token or False,
            local_files_only=hub.offline,
            ignore_patterns=["*.gguf", "*.bin", "*.pth"],
            tqdm_class=_Bar,
        )
    )


def _from_peer(wanted: Wanted, hub: Hub, fetch: Fetch | None) -> Path | None:
    """What a peer has copied, now or earlier; its sizes must be the ones that are known."""
    folder = copied_folder(wanted, hub.cache)
    first = folder / wanted.files[0] if wanted.files else folder
    if first.is_file():
        return first
    if fetch is None or not wanted.files or not fetch(wanted, folder):
        return None
    copied = sum((folder / name).stat().st_size for name in wanted.files)
    if wanted.size_bytes is not None and copied != wanted.size_bytes:
        shutil.rmtree(folder)
        log.warning("a peer's copy of %s has %d bytes: thrown away", wanted.id, copied)
        return None
    return first


def _check_room(wanted: Wanted, size_bytes: int, hub: Hub) -> None:
    folder = hub.cache
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size_bytes + hub.spare_bytes:
        raise ConfigurationError(
            f"{wanted.id}: {gib(size_bytes)} are to be downloaded, but {gib(free)} are free in "
            f"{folder}; make room there, or let HF_HOME name a folder on a larger disk"
        )


def _check_sum(wanted: Wanted, path: Path) -> None:
    """A file in the cache is named by its SHA-256 where the hub knows one."""
    blob = path.resolve()
    if len(blob.name) != _SHA256_LENGTH:
        return
    with blob.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != blob.name:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise ConfigurationError(
            f"{wanted.id}: what came is not what the hub has (SHA-256 {found[:12]}..., not "
            f"{blob.name[:12]}...); it was thrown away: start again, or look at your mirror"
        )


def _explained(wanted: Wanted, hub: Hub, error: Exception) -> ConfigurationError:
    where = f"{wanted.repository} on {hub.endpoint or 'the hub'}"
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, HfHubHTTPError):
        error = error.__cause__
    if isinstance(error, GatedRepoError):
        message = f"{where} asks for its licence to be accepted there, and for a token in HF_TOKEN"
    elif isinstance(error, RepositoryNotFoundError):
        message = f"there is no {where}, or it is private: then set HF_TOKEN"
    elif isinstance(error, LocalEntryNotFoundError):
        why = "offline mode is on" if hub.offline else "the hub cannot be reached"
        return Unreachable(f"{wanted.id} is not here, and {why}")
    elif isinstance(error, RevisionNotFoundError):
        message = f"{where} has no revision {wanted.revision} any more"
    elif isinstance(error, EntryNotFoundError):
        message = f"{where} has no file {' or '.join(wanted.files)}"
    elif isinstance(error, HfHubHTTPError):
        message = _refused(where, error)
    elif isinstance(error, httpx2.HTTPError):
        return Unreachable(f"{wanted.id}: the way to {where} broke off; start again to go on")
    else:
        message = f"{where}: {error}; start again to go on"
    return ConfigurationError(f"{wanted.id}: {message}")


def _refused(where: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if status == 401:
        return f"{where} wants a token that it knows, in HF_TOKEN"
    if status == 429:
        wait = error.response.headers.get("Retry-After")
        later = f"in {wait} seconds" if wait else "later"
        return f"{where} has had too many requests from here: try again {later}"
    return f"{where} answered with status {status}"
