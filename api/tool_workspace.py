"""The folder that tools work in, and what their commands are given beside it."""

import contextlib
import os
import tempfile
from pathlib import Path

from settings import TOML_FILE
from swarm.errors import ConfigurationError

_PROGRAM = Path(__file__).resolve().parent.parent
_PROJECT_MARKS = (".git", "opencode.json", "pyproject.toml", "package.json", "Cargo.toml", "go.mod")


def workspace_root(wanted: Path | None, state: Path) -> Path:
    """The folder that the owner named, else the project around the working directory.

    Raises ConfigurationError for a folder that holds this node's own keys or settings, by which a
    model could grant itself more, and where nobody named it, for this program's own.
    """
    root = _real(wanted or project_around(Path.cwd()))
    if "\n" in str(root):
        raise ConfigurationError(f"--workspace {str(root)!r}: a line break is in its name")
    if wanted is None and _PROGRAM.is_relative_to(root):
        raise ConfigurationError(
            f"the tools would work on this program itself ({root}); name your project with "
            "--workspace DIR"
        )
    settings = Path(TOML_FILE).resolve()
    if settings.exists() and settings.is_relative_to(root):
        raise ConfigurationError(
            f"--workspace {root} holds this node's settings ({settings}); start from another folder"
        )
    if state.resolve().is_relative_to(root):
        raise ConfigurationError(
            f"--workspace {root} holds this node's keys ({state}); name a folder of your project"
        )
    return root


def _real(path: Path) -> Path:
    """Where its links lead; one that leads to itself is told of where it is opened."""
    return Path(os.path.realpath(path))


def project_around(folder: Path) -> Path:
    """The nearest folder above that looks like a project's root, else the folder itself."""
    for each in (folder, *folder.parents):
        if any((each / mark).exists() for mark in _PROJECT_MARKS):
            return each
    return folder


def temporary(stack: contextlib.ExitStack, what: str) -> Path:
    """A folder for temporary files that goes with the stack."""
    folder = tempfile.TemporaryDirectory(prefix=f"swarm-{what}-", ignore_cleanup_errors=True)
    return Path(stack.enter_context(folder))


def scratch(stack: contextlib.ExitStack) -> Path:
    """A home and temporary files for commands, as long as this server runs. Its real path: that
    is what Seatbelt compares, and on macOS the folder for temporary files is behind a link.
    """
    path = temporary(stack, "scratch").resolve()
    (path / "home").mkdir()
    return path


def readable(named: tuple[Path, ...]) -> tuple[Path, ...]:
    """Folders as the owner names them, and as they are really called where a link leads there."""
    return tuple(dict.fromkeys(path for each in named for path in (each, _real(each))))
