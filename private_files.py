"""Files that are written whole or not at all, or grow by whole lines; private ones are readable by
their owner only.
"""

import errno
import os
import stat
import tempfile
from pathlib import Path

STATE_ADVICE = (
    "make room there, let this user read and write there, or choose another folder with --state DIR"
)
"""What is to be done where a node's own folder takes no file."""


def make_private_folder(folder: Path) -> None:
    """Make `folder` with the mode 0700 unless it is there; its parents as usual."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by a file of the mode 0600 in one step, on disk when this returns.

    Raises OSError; the old file is then as it was.
    """
    _replace(path, content, mode=0o600)


def append_private(path: Path, lines: bytes) -> None:
    """Add lines to a file, made with the mode 0600 where there is none, on disk when this returns.
    What another process adds meanwhile stays.

    Raises OSError.
    """
    path.touch(mode=0o600)
    with path.open("ab", buffering=0) as file:  # one write, which the system puts at the end
        if file.write(lines) < len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())


def replace_file(path: Path, content: bytes) -> None:
    """The same for a file that isn't secret: it keeps its mode, a new one is as usual (0644)."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mode = 0o644
    _replace(path, content, mode=mode)


def _replace(path: Path, content: bytes, *, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    written = Path(name)  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if mode != 0o600:
            written.chmod(mode)
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
