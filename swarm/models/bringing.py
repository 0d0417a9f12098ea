"""Brings a model here in a process of its own, beside a node that runs.

The hub's library blocks, and a thread that downloads could not be ended with the node; a process
can, at any moment, and what it has brought so far is gone on with the next time.
"""

import asyncio
import json
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ending import killed
from swarm.apart import begun
from swarm.errors import ConfigurationError
from swarm.models.hub import Hub, copied_folder
from swarm.models.wanted import Moved, Unreachable, Wanted
from swarm.places import may_look_into

logger = logging.getLogger(__name__)

TELL_S = 0.2
"""How often the process tells how far it is."""

_LOGGED_CHARS = 4000
"""No line of the log is longer: the pipe's lines have a bound."""


class LogOfTheNode(logging.Handler):
    """What the process logs is written by the node, which knows how much is wanted, and its bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it."""
        tell({"logged": self.format(record)[:_LOGGED_CHARS], "level": record.levelno})


async def brought(
    wanted: Wanted, hub: Hub, moved: Moved, *, environment: Mapping[str, str]
) -> Path:
    """The file to load, or the folder of an MLX model; `moved` is told the bytes that are here.

    Raises what `swarm.models.download.bring` does. Cancelling ends the process. In offline mode
    none is begun but for what a peer's copy has brought.
    """
    copied = await asyncio.to_thread(may_look_into, copied_folder(wanted, hub.cache))
    if hub.offline and not copied:
        raise Unreachable(f"{wanted.id} is not here, and offline mode is on")
    process = await begun("swarm.models.bringing", environment)
    try:
        return await _heard(process, _question(wanted, hub), moved)
    finally:
        await killed(process)


async def _heard(process: asyncio.subprocess.Process, question: bytes, moved: Moved) -> Path:
    if process.stdin is None or process.stdout is None:
        raise ConfigurationError("the download has no pipe")
    process.stdin.write(question)
    try:
        async for line in process.stdout:
            match json.loads(line):
                case {"moved": int(count)}:
                    moved(count)
                case {"logged": str(said), "level": int(level)}:
                    logger.log(level, "%s", said)
                case {"path": str(path)}:
                    return Path(path)
                case {"unreachable": str(why)}:
                    raise Unreachable(why)
                case {"refused": str(why)}:
                    raise ConfigurationError(why)
                case _:
                    break
    except ValueError as error:  # of the line, or of its length
        raise ConfigurationError(f"the download said what is not understood: {error}") from None
    raise ConfigurationError("the download was ended; the next start goes on with it")


def _question(wanted: Wanted, hub: Hub) -> bytes:
    body = {"wanted": asdict(wanted), "hub": {**asdict(hub), "cache": str(hub.cache)}}
    return json.dumps(body).encode() + b"\n"


def _asked(wanted: dict[str, Any], hub: dict[str, Any]) -> tuple[Wanted, Hub]:
    """What `_question` was made of."""
    files = tuple(wanted.pop("files"))
    return Wanted(files=files, **wanted), Hub(cache=Path(hub.pop("cache")), **hub)


@contextmanager
def told(_title: str, _total_bytes: int | None) -> Generator[Moved]:
    """Tells the node how many bytes are here, now and then."""
    told_s = 0.0

    def moved(count: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= TELL_S:
            told_s = time.monotonic()
            tell({"moved": count})

    yield moved


def tell(what: Mapping[str, object]) -> None:
    """One line for the node."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Bring what the first line of the standard input asks for; ends when that is closed."""
    from swarm.models.download import bring  # noqa: PLC0415 - the node needs no hub library

    asked = json.loads(sys.stdin.readline())
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[LogOfTheNode()])
    threading.Thread(target=_end_with_the_node, daemon=True).start()
    wanted, hub = _asked(asked["wanted"], asked["hub"])
    try:
        path = bring(wanted, replace(hub, wait_s=math.inf), show=told)  # nobody waits for it
    except Unreachable as error:
        tell({"unreachable": str(error)})
    except ConfigurationError as error:
        tell({"refused": str(error)})
    else:
        tell({"path": str(path)})
    return 0


def _end_with_the_node() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
