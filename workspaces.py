"""Where tools of this node have worked: no settings file from there is obeyed at a later start.

A folder a line, in the bytes that the file system has for it. Nodes that share a state folder add
to it at once.
"""

import os
from pathlib import Path

from private_files import append_private, make_private_folder

WORKSPACES_FILE = "workspaces"
"""In the state folder."""


def worked_in(memory: Path) -> list[str]:
    """The folders that are remembered there. Raises OSError."""
    return [line for line in _content(memory).split("\n") if line]


def remember(root: Path, memory: Path) -> None:
    """That tools worked in `root`, which has no line break in its name. Raises OSError."""
    content = _content(memory)
    if str(root) not in content.split("\n"):
        make_private_folder(memory)
        begun = "\n" if content and not content.endswith("\n") else ""  # by a person, maybe
        append_private(memory / WORKSPACES_FILE, os.fsencode(f"{begun}{root}\n"))


def _content(memory: Path) -> str:
    file = memory / WORKSPACES_FILE
    return os.fsdecode(file.read_bytes()) if file.exists() else ""
