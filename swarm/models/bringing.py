"""Brings a model here in a process of its own, beside a node that runs.

The hub's library blocks, and a thread that downloads could not be ended with the node; a process
can, at any moment, and what it has brought so far is gone on with the next time.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarm.apart import begun
from swarm.errors import ConfigurationError
from swarm.models.hub import Hub, copied_folder
from swarm.models.progress import Bar
from swarm.models.wanted import Moved, Unreachable, Wanted

TELL_S = 0.2
"""How often the process tells how far it is."""


async def brought(
    wanted: Wanted, hub: Hub, moved: Moved, *, environment: Mapping[str, str]
) -> Path:
    """The file to load, or the folder of an MLX model; `moved` is told the bytes that are here.

    Raises what `swarm.models.download.bring` does. Cancelling ends the process. In offline mode
    none is begun but for what a peer's copy has brought.
    """
    copied = await asyncio.to_thread(copied_folder(wanted, hub.cache).is_dir)
    if hub.offline and not copied:
        raise Unreachable(f"{wanted.id} is not here, and offline mode is on")
    process = await begun("swarm.models.bringing", environment)
    try:
        return await _heard(process, _question(wanted, hub), moved)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _heard(process: asyncio.subprocess.Process, question: bytes, moved: Moved) -> Path:
    if process.stdin is None or process.stdout is None:
        raise ConfigurationError("the download has no pipe")
    process.stdin.write(question)
    try:
        async for line in process.stdout:
            match json.loads(line):
                case {"moved": int(count)}:
                    moved(count)
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


@dataclass
class Teller:
    """Tells the node how many bytes are here, now and then."""

    moved_bytes: int = 0
    told_s: float = 0.0

    def add(self, count: int) -> None:
        """So many more bytes are here."""
        self.moved_bytes += count
        if time.monotonic() - self.told_s >= TELL_S:
            self.told_s = time.monotonic()
            tell({"moved": self.moved_bytes})


def tell(what: Mapping[str, object]) -> None:
    """One line for the node."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Bring what the first line of the standard input asks for; ends when that is closed."""
    from swarm.models.download import bring  # noqa: PLC0415 - the node needs no hub library

    asked = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_node, daemon=True).start()
    wanted, hub = _asked(asked["wanted"], asked["hub"])
    try:
        path = bring(wanted, hub, bar=_told_bar(Teller()))
    except Unreachable as error:
        tell({"unreachable": str(error)})
    except ConfigurationError as error:
        tell({"refused": str(error)})
    else:
        tell({"path": str(path)})
    return 0


def _told_bar(teller: Teller) -> type[Bar]:
    class ToldBar(Bar):
        """A progress bar that only tells: of bytes, not of files."""

        def __init__(self, *_: object, unit: str = "", initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)  # pyright: ignore[reportUnknownMemberType]
            self._of_bytes = unit == "B"
            self.update(initial)

        def update(self, n: float | None = 1) -> bool | None:
            if self._of_bytes:
                teller.add(int(n or 0))
            return None

    return ToldBar


def _end_with_the_node() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
