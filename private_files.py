"""Files that are written whole or not at all; private ones are readable by their owner only."""

import os
import stat
import tempfile
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """Make `folder` with the mode 0700 unless it is there; its parents as usual."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Replace `path` by a file of the mode 0600 in one step, on disk when this returns.

    Raises OSError; the old file is then as it was.
    """
    _replace(path, content, mode=0o600)


def replace_file(path: Path, content: bytes) -> None:
    """The same for a file that is no secret: it keeps its mode, a new one is as usual (0644)."""
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
