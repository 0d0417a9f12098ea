"""Outputs that were too long to tell: a mark in their place, the whole in a file to read."""

import contextlib
import os
import secrets
import shutil
import tempfile
from collections import deque
from pathlib import Path
from typing import BinaryIO, Self

from tools.workspace import Workspace

MOST_FILES = 64
"""At most this many outputs are kept; the oldest go first."""

LINE_CHARS = 2000
"""A longer line of an output counts as several, so that `read` can go on within it. The file has
the output as it was, for commands to read.
"""


class KeptOutputs:
    """A folder of this process, for this user alone; it goes when it is closed."""

    def __init__(self, parent: Path | None = None) -> None:
        path = Path(tempfile.mkdtemp(prefix="swarm-outputs-", dir=parent))
        self.folder = Workspace(path)
        self._names: deque[str] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.close()
        shutil.rmtree(self.folder.root, ignore_errors=True)

    def new(self) -> tuple[Path, BinaryIO]:
        """A fresh file for an output, to be closed by the caller."""
        while len(self._names) >= MOST_FILES:
            self.drop(self.folder.root / self._names.popleft())
        path = self.folder.root / f"output-{secrets.token_hex(6)}.txt"
        self._names.append(path.name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return path, os.fdopen(os.open(path, flags, 0o600), "wb")

    def drop(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    def told(self, text: str, most_chars: int) -> str:
        """The text, or its beginning and end around a mark that names the file with all of it."""
        if len(text) <= most_chars:
            return text
        path, file = self.new()
        with file:
            file.write(text.encode(errors="replace"))
        return cut(text, most_chars, path)


def cut(text: str, most_chars: int, path: Path) -> str:
    """The first third and the last two thirds of what may be told, the mark between them."""
    first = most_chars // 3
    last = most_chars - first
    middle = len(text) - most_chars
    mark = f"[{middle} characters are left out here; all of it is in {path}, for the tool read]"
    return f"{text[:first]}\n\n{mark}\n\n{text[-last:]}"
