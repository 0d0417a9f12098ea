"""Standard output: what a person reads there, who may be gone, in letters that it may lack; and how
much is logged beside it.
"""

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from settings import Settings
from swarm.errors import SwarmError
from swarm.models.progress import aside

logger = logging.getLogger(__name__)


def prepare_streams() -> None:
    """Lead the standard streams that this program was started without (`>&-`) to nowhere, and let
    any text be printed: letters that the output's encoding lacks by their number.

    In their order, so that each gets its own number and no socket does: engines inherit them.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - to the end
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)
    output: Any = sys.stdout  # a TextIOWrapper, which TextIO does not say
    output.reconfigure(errors="backslashreplace")  # as stderr always has it


def can_show(text: str) -> bool:
    """Whether standard output has all letters of it."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        return False
    return True


def say(settings: Settings, text: str) -> None:
    """Print this, if the owner wants it. Without a reader a node goes on: the log tells it once."""
    if settings.quiet:
        return
    try:
        with aside():
            print(text, flush=True)
    except OSError as error:
        _print_nowhere()
        logger.warning("standard output cannot be written (%s); nothing more is printed", error)


def start_logging(settings: Settings) -> None:
    """From now on what is logged is told, as the settings ask for."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    set_log_level(settings)


def set_log_level(settings: Settings) -> None:
    """As quiet or as detailed as the settings ask for."""
    logging.getLogger().setLevel(logging.WARNING if settings.quiet else logging.INFO)
    for ours in ("api", "swarm"):
        logging.getLogger(ours).setLevel(logging.DEBUG if settings.debug else logging.NOTSET)


@contextmanager
def while_it_is_read() -> Generator[None]:
    """What is printed in this block, who reads it may leave unread: `main.py --help | head -1`.

    Raises SwarmError where it cannot be written; an OSError of anything else has no place here.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _print_nowhere()
        raise SystemExit(0) from None
    except OSError as error:
        _print_nowhere()
        raise SwarmError(f"standard output cannot be written: {error.strerror}") from error


def _print_nowhere() -> None:
    """Also what could not be written: Python flushes once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
