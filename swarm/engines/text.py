"""From the bytes of tokens to text that may be shown: whole code points, no stop strings."""

import codecs
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """Text that is now certain, and whether a stop string ended the completion."""

    text: str
    stopped: bool = False


class TextStream:
    """Decodes one sequence's bytes step by step.

    Holds back an incomplete code point and any end of the text that may be the beginning of a
    stop string, so that neither is ever shown in part. Invalid bytes become U+FFFD.
    """

    def __init__(self, stop: tuple[str, ...] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(s for s in stop if s)
        self._held = ""

    @property
    def held(self) -> int:
        """How many characters are held back."""
        return len(self._held)

    def feed(self, piece: bytes) -> Shown:
        text = self._held + self._decoder.decode(piece)
        if not self._stop:
            return Shown(text)
        end = first_stop(text, self._stop)
        if end is not None:
            self._held = ""
            return Shown(text[:end], stopped=True)
        keep = longest_stop_beginning(text, self._stop)
        self._held = text[len(text) - keep :]
        return Shown(text[: len(text) - keep])

    def flush(self) -> str:
        """What was held back, once nothing more comes; an incomplete code point is dropped."""
        held, self._held = self._held, ""
        return held


def first_stop(text: str, stop: tuple[str, ...]) -> int | None:
    """Where the earliest stop string begins in the text, or None."""
    return min((at for s in stop if (at := text.find(s)) >= 0), default=None)


def longest_stop_beginning(text: str, stop: tuple[str, ...]) -> int:
    """Length of the longest end of the text that begins a stop string without completing it."""
    longest = max((len(s) for s in stop), default=0) - 1
    for length in range(min(longest, len(text)), 0, -1):
        end = text[len(text) - length :]
        if any(s.startswith(end) for s in stop):
            return length
    return 0
