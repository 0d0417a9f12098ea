"""Brings model files here: from the hub's cache, from a peer, from the hub. Blocking.

The hub's own library does the talking, the retries and its cache; what it leaves out is done here:
room on the disk is checked before, the SHA-256 that the hub names after, and what another start has
begun is gone on with, where the library begins anew.
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
    HfApi,
    get_hf_file_metadata,  # pyright: ignore[reportUnknownVariableType]
    hf_hub_download,  # pyright: ignore[reportUnknownVariableType]
    hf_hub_url,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import (
    http_get,  # pyright: ignore[reportUnknownVariableType]
)
from huggingface_hub.utils import (
    WeakFileLock,
    build_hf_headers,  # pyright: ignore[reportUnknownVariableType]
)

from hardware.snapshot import gib
from swarm.errors import ConfigurationError
from swarm.models.hub import Hub, copied_folder, repository_folder, whole_folder
from swarm.models.local import WEIGHTS
from swarm.models.progress import Bar
from swarm.models.wanted import Fetch, Unreachable, Wanted

logger = logging.getLogger(__name__)

_SHA256_LENGTH = 64
_ENDPOINT = "https://huggingface.co"

_BESIDE = (".gguf", ".bin", ".pth", ".md", ".png", ".jpg")
"""Files of an MLX repository that are not the model."""


def bring(
    wanted: Wanted, hub: Hub, *, from_peer: Fetch | None = None, bar: type[Bar] = Bar
) -> Path:
    """The file to load, or the folder of an MLX model, here and checked; `bar` shows how far.

    Raises Unreachable without a way to the hub, ConfigurationError for everything else, and says
    what can be done.
    """
    copied = _from_peer(wanted, hub, from_peer)
    if copied is not None:
        return copied
    try:
        if not wanted.files:
            return _folder(wanted, hub, bar)
        first, *_ = [_file(wanted, name, hub, bar) for name in wanted.files]
        return first
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise _explained(wanted, hub, error) from error
    except ValueError as error:  # a name that is none, or a file that no protocol here can bring
        raise ConfigurationError(f"{wanted.id}: {error}") from error


def _file(wanted: Wanted, name: str, hub: Hub, bar: type[Bar]) -> Path:
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
    if about.will_download and (about.file_size or 0) > hub.plain_bytes:
        _begin(wanted, name, about.file_size or 0, hub)
        path = Path(str(hf_hub_download(wanted.repository, name, tqdm_class=bar, **where)))  # pyright: ignore[reportUnknownArgumentType]
        _check_sum(wanted, path.resolve(), path.resolve().name)
        return path
    if about.will_download:
        _fetch(wanted, name, about.commit_hash, hub, bar)
    return Path(str(hf_hub_download(wanted.repository, name, **where)))  # pyright: ignore[reportUnknownArgumentType]


def _fetch(wanted: Wanted, name: str, commit: str, hub: Hub, bar: type[Bar]) -> None:
    """Put a file among the blobs of the library's cache, where it finds and links it."""
    url = hf_hub_url(wanted.repository, name, revision=commit, endpoint=hub.endpoint)
    token = hub.token or False
    about = get_hf_file_metadata(url, token=token, endpoint=hub.endpoint, retry_on_errors=True)
    folder = repository_folder(wanted, hub.cache)
    blob = folder / "blobs" / (about.etag or name)
    part = blob.with_name(f"{blob.name}.incomplete")
    lock = hub.cache / ".locks" / folder.name / f"{blob.name}.lock"  # the library's own
    for each in (blob.parent, lock.parent):
        each.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():
            return  # another process has brought it meanwhile
        with part.open("ab") as file:
            if about.size is not None and file.tell() > about.size:  # not of this file: anew
                file.truncate(file.seek(0))
            _begin(wanted, name, (about.size or 0) - file.tell(), hub)
            http_get(
                url,
                file,
                resume_size=file.tell(),
                headers=build_hf_headers(token=token),
                expected_size=about.size,
                displayed_filename=name,
                tqdm_class=bar,
            )
        _check_sum(wanted, part, blob.name)
        part.replace(blob)


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
        httpx2.head(endpoint, timeout=hub.patience_s)
    except httpx2.HTTPError as error:
        message = f"{wanted.id} is not here, and {endpoint} cannot be reached ({error})"
        raise Unreachable(message) from error


def _folder(wanted: Wanted, hub: Hub, bar: type[Bar]) -> Path:
    """A whole repository; files beside the model itself are left out."""
    if (here := whole_folder(wanted, hub.cache)) is not None:
        return here.path
    if hub.offline:
        raise Unreachable(f"{wanted.id} is not here, and offline mode is on")
    _check_way(wanted, hub)
    api = HfApi(endpoint=hub.endpoint, token=hub.token or False)
    about = api.model_info(wanted.repository, revision=wanted.revision)
    names = [each.rfilename for each in about.siblings or () if "/" not in each.rfilename]
    # Weights come last: what lists them tells later whether all are here.
    names = sorted(names, key=lambda name: (name.endswith(WEIGHTS), name))
    paths = [_file(wanted, name, hub, bar) for name in names if Path(name).suffix not in _BESIDE]
    if not paths:
        raise ConfigurationError(f"{wanted.id}: {wanted.repository} has no files")
    return paths[0].parent


def _from_peer(wanted: Wanted, hub: Hub, fetch: Fetch | None) -> Path | None:
    """What was copied from a peer, now or earlier; its sizes must be the ones that are known."""
    if not wanted.files:
        return None
    folder = copied_folder(wanted, hub.cache)
    paths = [folder / name for name in wanted.files]
    try:
        if not all(path.is_file() for path in paths) and not (fetch and fetch(wanted, folder)):
            return None
        copied = sum(path.stat().st_size for path in paths)
        if wanted.size_bytes in (None, copied):
            return paths[0]
        for path in paths:  # alone, for the repository's other models lie beside them
            path.unlink()
    except OSError as error:  # such as a full disk, of which the hub's way says more
        logger.warning("%s: no copy from a peer: %s", wanted.id, error)
        return None
    logger.warning("a peer's copy of %s has %d bytes: thrown away", wanted.id, copied)
    return None


def _begin(wanted: Wanted, name: str, size_bytes: int, hub: Hub) -> None:
    """Raises ConfigurationError where there is no room for so many bytes more."""
    _check_room(wanted, size_bytes, hub)
    logger.info("downloading %s (%s) from %s", name, gib(size_bytes), wanted.repository)


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


def _check_sum(wanted: Wanted, part: Path, name: str) -> None:
    """A file among the blobs is named by its SHA-256 where the hub knows one."""
    if len(name) != _SHA256_LENGTH:
        return
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != name:
        part.unlink()
        raise ConfigurationError(
            f"{wanted.id}: what came is not what the hub has (SHA-256 {found[:12]}..., not "
            f"{name[:12]}...); it was thrown away: start again, or look at your mirror"
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
