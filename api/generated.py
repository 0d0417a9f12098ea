"""How many tokens the sequences of one answer have generated: one rule for all who count them."""

from swarm.engines.base import Delta, Event, Finished


class Generated:
    """While a sequence runs, what was shown of it counts; then the figure of its end, which is the
    one that a client is told as usage, be it more or fewer.
    """

    def __init__(self) -> None:
        self._tokens: dict[int, int] = {}

    @property
    def total(self) -> int:
        """All so far."""
        return sum(self._tokens.values())

    def of(self, sequence: int) -> int:
        """Those of one sequence so far."""
        return self._tokens.get(sequence, 0)

    def hear(self, event: Event) -> int:
        """How many the event adds; less than 0 where an end takes some back."""
        match event:
            case Delta():
                return self.said(event.index, event.tokens)
            case Finished():
                return self.ended(event.index, event.completion_tokens)
            case _:
                return 0

    def said(self, sequence: int, tokens: int) -> int:
        """This many more were shown; returns how many that adds."""
        return self.ended(sequence, self.of(sequence) + tokens)

    def ended(self, sequence: int, tokens: int) -> int:
        """They are this many in all; returns how many that adds."""
        more = tokens - self.of(sequence)
        self._tokens[sequence] = tokens
        return more
