"""Machines that stand still as a whole for a while, as one does whose processor others need."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

STILL_S = 1.0
"""Nodes forgive each other at least this; no thread of a busy machine waits so long by itself."""

_TIMES = 5
_REST_S = 2.0
"""Heartbeats that were missed are made up for meanwhile."""

T = TypeVar("T")


def _never(_: object) -> bool:
    return False


def undisturbed(work: Callable[[], T], fine: Callable[[T], bool] = _never) -> T:
    """What `work` returns, done again where the machine stood still meanwhile, unless it is `fine`.

    Nodes that wake after that take each other for silent, which is none of what a test is about.
    """
    for _ in range(_TIMES):
        with _watched() as gaps:
            done = work()
        if max(gaps) < STILL_S or fine(done):
            break
        time.sleep(_REST_S)
    return done


@contextlib.contextmanager
def _watched() -> Iterator[list[float]]:
    """For how long nothing ran at a time; to be read after the block."""
    gaps: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        last, over = time.monotonic(), False
        while not over:
            over = ended.wait(STILL_S / 10)
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield gaps
    finally:
        ended.set()
        watching.join()
