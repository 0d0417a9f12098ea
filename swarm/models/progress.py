"""How far a model on its way is, for who started the node."""

import logging
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeAlias

from tqdm.asyncio import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm
from tqdm.std import tqdm as any_bar

from hardware.snapshot import gib
from swarm.models.wanted import Moved

logger = logging.getLogger(__name__)

QUARTERS = 4

Show: TypeAlias = Callable[[str, int | None], AbstractContextManager[Moved]]
"""Shows how many bytes of a title's total are here, as `shown` does."""


# The library's own lock is one of processes, for which Python 3.14 starts another.
any_bar.set_lock(threading.RLock())  # pyright: ignore[reportUnknownMemberType]


class Bar(tqdm):  # pyright: ignore[reportMissingTypeArgument]  (only so in its stubs)
    """A progress bar without the thread that the library starts to refresh idle ones."""

    monitor_interval = 0


def told_bar(moved: Moved, here: int = 0) -> type[Bar]:
    """What the hub's library takes for its bars: they only tell the bytes of all files together,
    of which `here` are here already.
    """

    class ToldBar(Bar):
        def __init__(self, *_: object, unit: str = "", initial: int = 0, **__: object) -> None:
            super().__init__(disable=True)  # pyright: ignore[reportUnknownMemberType]
            self._of_bytes = unit == "B"
            self.update(initial)

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal here
            if self._of_bytes:
                here += int(n or 0)
                moved(here)
            return None

    return ToldBar


def aside() -> AbstractContextManager[None]:
    """Bars make room for what is printed in this block, and stand below it then."""
    return Bar.external_write_mode(file=sys.stdout)


@contextmanager
def shown(title: str, total_bytes: int | None) -> Generator[Moved]:
    """Shows the bytes that are here: a bar on a terminal, else a line at each quarter."""
    if not (logger.isEnabledFor(logging.INFO) and sys.stderr.isatty()):
        yield _quarters(title, total_bytes)
        return
    with (
        logging_redirect_tqdm(),
        Bar(desc=title, total=total_bytes, unit="B", unit_scale=True, leave=False) as bar,
    ):
        yield lambda count: bar.update(count - bar.n)


def _quarters(title: str, total_bytes: int | None) -> Moved:
    said = 0

    def moved(count: int) -> None:
        nonlocal said
        reached = QUARTERS * count // total_bytes if total_bytes else 0
        if said < reached < QUARTERS:
            said = reached
            logger.info("%s: %s of %s are here", title, gib(count), gib(total_bytes or 0))

    return moved
