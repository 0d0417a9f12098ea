"""The model files that this node lets its peers copy: by name, with their sizes and checksums."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from ending import ended
from federation.wire import FileOffer

_PIECE_BYTES = 16 << 20

_Version: TypeAlias = tuple[Path, int, int]
"""A file as it was: its path, its size, when it was changed."""


class Shelf:
    """Files by name; `files` is asked anew each time. A checksum is computed once a version, for
    all who ask, and to its end also where they have left; `aclose` ends it.
    """

    def __init__(self, files: Callable[[], Mapping[str, Path]]) -> None:
        self._files = files
        self._sums: dict[_Version, asyncio.Task[str]] = {}
        self._summing = asyncio.Lock()

    async def aclose(self) -> None:
        """No file is read any more."""
        await ended(*self._sums.values())

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
        return tuple([await self._offer(*one) for one in found])

    async def _offer(self, name: str, path: Path) -> FileOffer:
        about = await asyncio.to_thread(path.stat)
        version = (path, about.st_size, about.st_mtime_ns)
        if version not in self._sums:
            self._sums[version] = summing = asyncio.create_task(self._sum(path))
            summing.add_done_callback(lambda _: self._summed(version))
        sha256 = await asyncio.shield(self._sums[version])
        return FileOffer(name=name, size_bytes=about.st_size, sha256=sha256)

    async def _sum(self, path: Path) -> str:
        async with self._summing:  # one at a time is as fast as the disk
            return await sha256_of(path)

    def _summed(self, version: _Version) -> None:
        """What could not be read is read again for the next who asks; those who wait are told."""
        summing = self._sums[version]
        if summing.cancelled() or summing.exception() is not None:
            del self._sums[version]


async def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits. Raises OSError.

    A thread cannot be cancelled, and the end of the program waits for it: it reads a piece only,
    and leaves nothing open.
    """
    digest = hashlib.sha256()

    def took(offset: int) -> int:
        with path.open("rb") as file:
            file.seek(offset)
            piece = file.read(_PIECE_BYTES)
        digest.update(piece)
        return len(piece)

    offset = 0
    while count := await asyncio.to_thread(took, offset):
        offset += count
    return digest.hexdigest()
