"""Where files of this user are: what a ~ stands for, the folder of what a node remembers, and
whether they may look into one.
"""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_state_path

from swarm.errors import ConfigurationError

logger = logging.getLogger(__name__)


def at_home(path: Path) -> Path:
    """The path that a shell makes of one with a ~ at its beginning: itself where the system knows
    no such user, or no home of this one.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def usual_state() -> Path:
    """The folder of what a node remembers, below this user's home."""
    try:
        return user_state_path("local-swarm", appauthor=False)
    except RuntimeError:  # there is no home
        return Path("~/.local/state/local-swarm")


def check_home(path: Path, instead: str) -> None:
    """Raise ConfigurationError for a path in a home that the system does not know; `instead` says
    how another one is named.
    """
    if path.parts[:1] and path.parts[0].startswith("~"):
        raise ConfigurationError(f"{path}: the system knows no such home; set HOME, or {instead}")


def may_look_into(folder: Path) -> bool:
    """Whether there is such a folder that this user may look into. One that they may not is as good
    as none, and is told of in the log.
    """
    try:
        with os.scandir(f"{folder}/."):  # that says no too where only the names can be read
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        told = "this user may not look into %s (%s): what is there is not used"
        logger.warning(told, folder, error.strerror)
        return False


def tell_of_closed(folders: Iterable[Path]) -> None:
    """Tell in the log of those that are there and that this user may not look into."""
    for folder in folders:
        may_look_into(folder)
