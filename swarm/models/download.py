"""Brings model files here: from the hub's cache, from a peer, from the hub. Blocking.

The hub's own library does the talking, the retries and its cache; what it leaves out is done here:
room on the disk is checked before, the SHA-256 that the hub names after, and what another start has
begun is gone on with, where the library begins anew.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

# The library's own types leave the elements of a dict and a progress bar open.
from huggingface_hub import (
    HfApi,
    HfFileMetadata,
    ModelInfo,
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
    get_session,
    parse_ratelimit_headers,
)

from hardware.snapshot import gib
from swarm.errors import ConfigurationError
from swarm.models.hub import Hub, check_cache, copied_folder, in_cache, repository_folder
from swarm.models.local import WEIGHTS
from swarm.models.progress import Bar, Show, shown, told_bar
from swarm.models.wanted import Fetch, Unreachable, Wanted

logger = logging.getLogger(__name__)

_SHA256_LENGTH = 64
_ENDPOINT = "https://huggingface.co"

_BESIDE = (".gguf", ".bin", ".pth", ".md", ".png", ".jpg")
"""Files of an MLX repository that are not the model."""

_SHOWN = 6
"""An error shows at most this many names: more are of no use."""


def bring(wanted: Wanted, hub: Hub, *, from_peer: Fetch | None = None, show: Show = shown) -> Path:
    """The file to load, or the folder of an MLX model, here and checked; `show` shows how far.

    Raises Unreachable where it cannot be had, ConfigurationError for a name that means nothing to
    bring or a cache in nobody's home, and says what can be done.
    """
    check_cache(hub.cache)
    copied = _from_peer(wanted, hub, from_peer)
    if copied is not None:
        return copied
    try:
        if (here := in_cache(wanted, hub.cache)) is not None:
            return here.path
        if hub.offline:
            raise Unreachable(f"{wanted.id} is not here, and offline mode is on")
        _log_as_this_program_does()
        _check_way(wanted, hub)
        with _judging(partial(_check_wait, hub)):
            return _from_hub(wanted, hub, show)
    except (HfHubHTTPError, LocalEntryNotFoundError, httpx2.HTTPError, OSError) as error:
        raise _explained(wanted, hub, error) from error
    except ValueError as error:  # a name that is none, or a file that no protocol here can bring
        raise ConfigurationError(f"{wanted.id}: {error}") from error


def _log_as_this_program_does() -> None:
    """One line for each warning of the library, none for each request: its address may be signed,
    and then opens the file to whoever reads the log.
    """
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    logging.getLogger("huggingface_hub").handlers.clear()  # what it says goes up to our own


def _from_hub(wanted: Wanted, hub: Hub, show: Show) -> Path:
    names = wanted.files or _names(wanted, hub)
    files = {name: _about(wanted, name, hub) for name in names}
    here = sum(_here_bytes(wanted, about, hub) for about in files.values())
    total = sum(about.size or 0 for about in files.values())
    if here < total:
        _check_room(wanted, total - here, hub)
    with show(wanted.id, total) as moved:
        whole = [each for each in files.values() if _blob(wanted, each, hub).exists()]
        bar = told_bar(moved, sum(about.size or 0 for about in whole))
        first, *_ = [_file(wanted, name, about, hub, bar) for name, about in files.items()]
    return first if wanted.files else first.parent


def _here_bytes(wanted: Wanted, about: HfFileMetadata, hub: Hub) -> int:
    """How much of a file is among the blobs, also of one that is gone on with."""
    blob = _blob(wanted, about, hub)
    if blob.exists():
        return about.size or 0
    part = _part(blob)
    return min(part.stat().st_size, about.size or 0) if part.exists() else 0


def _file(wanted: Wanted, name: str, about: HfFileMetadata, hub: Hub, bar: type[Bar]) -> Path:
    where: Any = {
        "revision": wanted.revision,
        "cache_dir": hub.cache,
        "endpoint": hub.endpoint,
        "token": hub.token or False,
    }
    is_here = _blob(wanted, about, hub).exists()
    if not is_here and (about.size or 0) > hub.plain_bytes:
        _tell_begun(wanted, name, about.size or 0)
        path = Path(str(hf_hub_download(wanted.repository, name, tqdm_class=bar, **where)))  # pyright: ignore[reportUnknownArgumentType]
        _check_sum(wanted, path.resolve(), path.resolve().name)
        return path
    if not is_here:
        _fetch(wanted, name, about, hub, bar)
    return Path(str(hf_hub_download(wanted.repository, name, **where)))  # pyright: ignore[reportUnknownArgumentType]


def _about(wanted: Wanted, name: str, hub: Hub) -> HfFileMetadata:
    """What the hub says of a file. Its library tries again for long, and would wait each time as
    long as the hub asks for.
    """
    url = hf_hub_url(wanted.repository, name, revision=wanted.revision, endpoint=hub.endpoint)
    ask = partial(get_hf_file_metadata, url, token=hub.token or False, endpoint=hub.endpoint)
    try:
        return ask()
    except HfHubHTTPError as error:
        if error.response.status_code < 429:
            raise
    except (httpx2.NetworkError, httpx2.RemoteProtocolError) as error:
        logger.warning("%s: %s broke off; asking again", wanted.id, error.request.url.host)
    return ask(retry_on_errors=True)


def _wait_s(headers: Mapping[str, str]) -> int:
    """How long the hub wants to be left alone, as its library reads it."""
    limit = parse_ratelimit_headers(headers)
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds
    told = headers.get("Retry-After", "")
    return int(told) if told.isdecimal() else 0


def _blob(wanted: Wanted, about: HfFileMetadata, hub: Hub) -> Path:
    """Where the library's cache has a file, by its sum."""
    if about.etag is None or about.commit_hash is None:
        raise OSError("what answers there is no hub: it names neither sums nor versions of files")
    return repository_folder(wanted, hub.cache) / "blobs" / about.etag


def _part(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


def _fetch(wanted: Wanted, name: str, about: HfFileMetadata, hub: Hub, bar: type[Bar]) -> None:
    """Put a file among the blobs of the library's cache, where it finds and links it."""
    url = hf_hub_url(wanted.repository, name, revision=about.commit_hash, endpoint=hub.endpoint)
    blob = _blob(wanted, about, hub)
    part = _part(blob)
    lock = hub.cache / ".locks" / blob.parents[1].name / f"{blob.name}.lock"  # the library's own
    for each in (blob.parent, lock.parent):
        each.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        if blob.exists():
            return  # another process has brought it meanwhile
        with part.open("ab") as file:
            if about.size is not None and file.tell() > about.size:  # not of this file: anew
                file.truncate(file.seek(0))
            _tell_begun(wanted, name, (about.size or 0) - file.tell())
            with _judging(partial(_check_file, about)):
                http_get(
                    url,
                    file,
                    resume_size=file.tell(),
                    headers=build_hf_headers(token=hub.token or False),
                    expected_size=about.size,
                    displayed_filename=name,
                    tqdm_class=bar,
                )
        _check_sum(wanted, part, blob.name)
        part.replace(blob)


@contextmanager
def _judging(judge: Callable[[httpx2.Response], None]) -> Generator[None]:
    """Within the block, `judge` sees each answer before the library does, and may raise."""
    judges = get_session().event_hooks["response"]
    judges.append(judge)
    try:
        yield
    finally:
        judges.remove(judge)


def _check_wait(hub: Hub, answer: httpx2.Response) -> None:
    """Raises where a busy hub asks for a longer wait than `hub` allows."""
    code = answer.status_code
    if (code in (408, 429) or code >= 500) and _wait_s(answer.headers) > hub.wait_s:
        raise HfHubHTTPError("too many requests", response=answer)


def _check_file(about: HfFileMetadata, answer: httpx2.Response) -> None:
    """Raises where an answer is not the file, which the library would put in the place of the part
    that is here already.
    """
    if answer.status_code != 200:
        return
    told = None if "Content-Encoding" in answer.headers else answer.headers.get("Content-Length")
    other = told is not None and about.size is not None and told != str(about.size)
    if other or answer.headers.get("Content-Type", "").startswith("text/html"):
        raise OSError(f"what {answer.url.host} answers is not the file: look at your proxy")


def _check_way(wanted: Wanted, hub: Hub) -> None:
    """Raises Unreachable where nothing answers; what it answers does not matter."""
    endpoint = hub.endpoint or _ENDPOINT
    try:
        httpx2.head(endpoint, timeout=hub.patience_s)
    except httpx2.HTTPError as error:
        message = f"{wanted.id} is not here, and {endpoint} cannot be reached ({error})"
        raise Unreachable(message) from error


def _names(wanted: Wanted, hub: Hub) -> list[str]:
    """The files of a whole repository; those beside the model itself are left out."""
    api = HfApi(endpoint=hub.endpoint, token=hub.token or False)
    about = api.model_info(wanted.repository, revision=wanted.revision)
    names = [each.rfilename for each in about.siblings or () if "/" not in each.rfilename]
    if not any(name.endswith(WEIGHTS) for name in names):
        raise ConfigurationError(f"{wanted.id}: {_no_weights(wanted, about)}")
    # Weights come last: what lists them tells later whether all are here.
    names = sorted(names, key=lambda name: (name.endswith(WEIGHTS), name))
    return [name for name in names if Path(name).suffix not in _BESIDE]


def _no_weights(wanted: Wanted, about: ModelInfo) -> str:
    files = [each.rfilename for each in about.siblings or () if each.rfilename.endswith(".gguf")]
    if not files:
        return f"{wanted.repository} holds no MLX model (*{WEIGHTS}) and no GGUF files"
    names = ", ".join(f"hf:{wanted.repository}/{file}" for file in files[:_SHOWN])
    return f"{wanted.repository} holds no MLX model; name a file of it: {names}"


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


def _tell_begun(wanted: Wanted, name: str, size_bytes: int) -> None:
    logger.info("downloading %s (%s) from %s", name, gib(size_bytes), wanted.repository)


def _check_room(wanted: Wanted, size_bytes: int, hub: Hub) -> None:
    """Raises Unreachable where there is no room for that many more bytes."""
    folder = hub.cache
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size_bytes + hub.spare_bytes:
        raise Unreachable(
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
        raise Unreachable(
            f"{wanted.id}: what came is not what the hub has (SHA-256 {found[:12]}..., not "
            f"{name[:12]}...); it was thrown away: start again, or look at your mirror"
        )


def _explained(wanted: Wanted, hub: Hub, error: Exception) -> Unreachable:
    where = f"{wanted.repository} on {hub.endpoint or 'the hub'}"
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, HfHubHTTPError):
        error = error.__cause__
    if isinstance(error, GatedRepoError):
        message = f"{where} asks for its licence to be accepted there, and for a token in HF_TOKEN"
    elif isinstance(error, RepositoryNotFoundError):
        message = f"there is no {where}, or it is private: then set HF_TOKEN"
    elif isinstance(error, LocalEntryNotFoundError):
        message = "it is not here, and the hub cannot be reached"
    elif isinstance(error, RevisionNotFoundError):
        message = f"{where} has no revision {wanted.revision} any more"
    elif isinstance(error, EntryNotFoundError):
        message = f"{where} has no file {' or '.join(wanted.files)}"
    elif isinstance(error, HfHubHTTPError):
        message = _refused(where, error)
    elif isinstance(error, httpx2.HTTPError):
        message = f"the way to {where} broke off; start again to go on"
    else:
        message = f"{where}: {error}; start again to go on"
    return Unreachable(f"{wanted.id}: {message}")


def _refused(where: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    if status == 401:
        return f"{where} wants a token that it knows, in HF_TOKEN"
    if status == 429:
        wait_s = _wait_s(error.response.headers)
        later = f"in {wait_s} seconds" if wait_s else "later"
        return f"{where} has had too many requests from here: try again {later}"
    return f"{where} answered with status {status}"
