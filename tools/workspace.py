"""A root folder that nothing leaves: every path is opened beneath the root's descriptor.

What is read must be a regular file or a folder. What is written replaces the file, so that a second
name of it (a hard link) outside keeps what it had.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, Self, TypeAlias

from tools.beneath import open_beneath
from tools.errors import OutsideWorkspace, ToolFailed

Opener: TypeAlias = Callable[[int, str, int], int]
Kind: TypeAlias = Literal["file", "folder", "link", "other"]

_PATH_BYTES = 4096
_LINKS = 40
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in a folder; links are not followed. `changed_s` is the time of its last change."""

    name: str
    kind: Kind
    size_bytes: int
    changed_s: float


class Workspace:
    """A folder that is held open; close it, or use it as a context manager.

    Paths may be relative to the root or absolute beneath it. Every method raises OutsideWorkspace
    for a path that leads out and ToolFailed for what the system refuses.
    """

    def __init__(self, root: Path, open_at: Opener = open_beneath) -> None:
        """Raises ToolFailed where there is no such folder."""
        self._open_at = open_at
        self._given = Path(os.path.abspath(root))  # noqa: PTH100  links stay as they were typed
        try:
            self.root = Path(os.path.realpath(root, strict=True))
            self._descriptor = os.open(self.root, _FOLDER | os.O_CLOEXEC)
        except OSError as error:
            raise ToolFailed(f"the workspace {root}: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)

    def relative(self, path: str) -> str:
        """The same path from the root, without parts that say nothing (`./`, a slash at the end);
        `.` is the root. Looks at the words only.
        """
        if "\0" in path or _length(path) > _PATH_BYTES:
            raise ToolFailed("a path is text of at most 4,096 bytes, and none of them is zero")
        inner = self.within(path) if path.startswith("/") else path
        if inner is None:
            raise OutsideWorkspace(f"{path} is outside of the workspace {self.root}")
        return "/".join(part for part in inner.split("/") if part not in ("", ".")) or "."

    def within(self, path: str) -> str | None:
        """What an absolute path says behind the root, by either of the root's names; None where
        it begins with neither.
        """
        for root in (self.root, self._given):
            if f"{path}/".startswith(f"{root}/"):
                return path[len(str(root)) :].lstrip("/")
        return None

    def absolute(self, path: str) -> str:
        """The path as it is shown."""
        relative = self.relative(path)
        return str(self.root) if relative == "." else f"{self.root}/{relative}"

    def led_to(self, path: str) -> str:
        """Where a path leads from the root, links followed. A word only: a link may be swapped
        before it is opened. Raises OutsideWorkspace where it leads out.
        """
        return self.relative(os.path.realpath(self.root / self.relative(path)))

    def holds(self, path: str) -> bool:
        """Whether an absolute path is beneath the root, by its words."""
        return path == str(self.root) or path.startswith(f"{self.root}/")

    def kind(self, path: str) -> Kind:
        """What the path leads to, links followed."""
        with self._open(path, getattr(os, "O_PATH", _READ)) as descriptor:
            return _kind(os.fstat(descriptor).st_mode)

    @contextlib.contextmanager
    def reading(self, path: str) -> Generator[BinaryIO]:
        """A regular file, opened for reading."""
        with self._open(path, _READ) as descriptor:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise ToolFailed(f"{path} is a folder")
            if not stat.S_ISREG(mode):
                raise ToolFailed(f"{path} is no regular file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                yield file

    def read(self, path: str, *, most_bytes: int) -> bytes:
        """A whole file. Raises ToolFailed where it is larger."""
        with self.reading(path) as file:
            content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise ToolFailed(f"{path} has more than {most_bytes} bytes")
        return content

    def entries(self, path: str) -> list[Entry]:
        """What a folder holds, by name."""
        with self._open(path, _FOLDER) as descriptor, _named(path), os.scandir(descriptor) as found:
            entries = [_entry(each) for each in found]
        return sorted((entry for entry in entries if entry), key=lambda entry: entry.name)

    def write(self, path: str, content: bytes) -> bool:
        """Replace a file in one step, or make it, with the folders that it needs.

        Whether there was one. Where the path is a link within the workspace, its target is written.
        """
        with _named(path), self._place(path) as (folder, name):
            try:
                before = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                before = None
            if before is not None and not stat.S_ISREG(before.st_mode):
                raise ToolFailed(f"{path} is no regular file, so it cannot be written")
            _replace(folder, name, content, before)
        return before is not None

    @contextlib.contextmanager
    def _open(self, path: str, flags: int) -> Generator[int]:
        relative = self.relative(path)
        with _named(path):
            descriptor = self._open_at(self._descriptor, relative, flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _place(self, path: str) -> Generator[tuple[int, str]]:
        """The folder and the name where a file is to be written; links are walked to their end."""
        relative = self.relative(path)
        for _ in range(_LINKS):
            folder_path, _, name = relative.rstrip("/").rpartition("/")
            if name in ("", ".", ".."):
                raise ToolFailed(f"{path} names no file")
            with self._making(folder_path) as folder:
                target = _link_target(folder, name)
                if target is None:
                    yield folder, name
                    return
            if target.startswith("/"):
                raise OutsideWorkspace(f"{path} is a link to {target}")
            relative = f"{folder_path}/{target}" if folder_path else target
        raise ToolFailed(f"{path} leads through too many links")

    @contextlib.contextmanager
    def _making(self, path: str) -> Generator[int]:
        """A folder, made with those above it where it is missing."""
        parts = [part for part in path.split("/") if part]
        with _named(path):
            folder = self._open_at(self._descriptor, ".", _FOLDER)
            try:
                for depth in range(1, len(parts) + 1):
                    above, folder = folder, self._down(folder, parts[:depth])
                    os.close(above)
            except OSError:
                os.close(folder)
                raise
        try:
            yield folder
        finally:
            os.close(folder)

    def _down(self, above: int, parts: Sequence[str]) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self._open_at(self._descriptor, "/".join(parts), _FOLDER)
        with contextlib.suppress(FileExistsError):
            os.mkdir(parts[-1], dir_fd=above)
        return self._open_at(self._descriptor, "/".join(parts), _FOLDER)


def _length(path: str) -> int:
    try:
        return len(os.fsencode(path))
    except UnicodeEncodeError:
        return _PATH_BYTES + 1


def _replace(folder: int, name: str, content: bytes, before: os.stat_result | None) -> None:
    """A new file takes the name; it keeps the permissions of the one before."""
    fresh = f".{name[:64]}.{secrets.token_hex(6)}"
    descriptor = os.open(fresh, _NEW | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if before is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & 0o777)
            file.write(content)
        os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=folder)
        raise


def _link_target(folder: int, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def _entry(found: os.DirEntry[str]) -> Entry | None:
    """None where it went away meanwhile."""
    try:
        status = found.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Entry(found.name, _kind(status.st_mode), status.st_size, status.st_mtime)


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


@contextlib.contextmanager
def _named(path: str) -> Generator[None]:
    """The system's errors as ours, with the path that was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise OutsideWorkspace(f"{path} leads out of the workspace") from error
        if error.errno == errno.ENOENT:
            raise ToolFailed(f"there is no {path}") from error
        raise ToolFailed(f"{path}: {error.strerror}") from error
