"""Names that wait to be looked at: each once, and never more than a bound. Pure."""

from collections import OrderedDict


class Backlog:
    """A bounded queue of names; the latest word on a name counts, at its first place."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting: OrderedDict[str, bool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, name: str, *, gone: bool) -> bool:
        """Take in a name; False when there is no room."""
        if name not in self._waiting and len(self._waiting) >= self._size:
            return False
        self._waiting[name] = gone
        return True

    def take(self, most: int) -> list[tuple[str, bool]]:
        """At most this many names with whether they are gone, oldest first."""
        return [self._waiting.popitem(last=False) for _ in range(min(most, len(self._waiting)))]

    def clear(self) -> None:
        """Nobody waits any more."""
        self._waiting.clear()
