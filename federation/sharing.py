"""The model files that this node lets its peers copy: by name, with their sizes and checksums."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from federation.wire import FileOffer


class Shelf:
    """Files by name; `files` is asked anew each time. A checksum is computed once a version."""

    def __init__(self, files: Callable[[], Mapping[str, Path]]) -> None:
        self._files = files
        self._sums: dict[tuple[Path, int, int], str] = {}
        self._summing = asyncio.Lock()

    def path(self, name: str) -> Path | None:
        """Where a file of that name is, None if it is not shared.

        A name with folders means a shared file that lies in such folders: those of one repository
        may have files of the same name.
        """
        *folders, last = name.split("/")
        path = self._files().get(last)
        if path is None or list(path.parts[-1 - len(folders) : -1]) != folders:
            return None
        return path

    async def offers(self, names: Sequence[str]) -> tuple[FileOffer, ...]:
        """Those of these files that are here. A large one takes a while the first time."""
        found = [(name, path) for name in names if (path := self.path(name)) is not None]
        async with self._summing:
            return tuple([await asyncio.to_thread(self._offer, *one) for one in found])

    def _offer(self, name: str, path: Path) -> FileOffer:
        about = path.stat()
        key = (path, about.st_size, about.st_mtime_ns)
        if key not in self._sums:
            self._sums[key] = sha256_of(path)
        return FileOffer(name=name, size_bytes=about.st_size, sha256=self._sums[key])


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
