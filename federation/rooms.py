"""How much of this node the questions of one other node may hold at once. Pure."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from swarm.errors import Overloaded

MOST_QUESTIONS = 16
"""At most this many questions of one node run here at once."""

MOST_WAITING_BYTES = 64 << 20
"""At most this many bytes of questions of one node are held here at once, unless it is one
question."""


class Rooms:
    """Counts the questions of each node that run here, and their bytes."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()

    @contextmanager
    def room(self, node: str, size: int) -> Generator[None]:
        """A place for one more question of a node while the block runs. Raises Overloaded."""
        if self._running[node] >= MOST_QUESTIONS:
            raise Overloaded(f"{MOST_QUESTIONS} questions of this node run here", retry_after_s=2)
        if self._bytes[node] and self._bytes[node] + size > MOST_WAITING_BYTES:
            raise Overloaded("too many bytes of this node are held here", retry_after_s=2)
        self._running[node] += 1
        self._bytes[node] += size
        try:
            yield
        finally:
            self._running[node] -= 1
            self._bytes[node] -= size
            if not self._running[node]:
                del self._running[node], self._bytes[node]
