"""A long text in slices, for llama.cpp looks for words with one recursion a character: a word of
some ten thousand of them overflows the stack. Knows no model, only its tokens.
"""

import re
from collections.abc import Iterable, Iterator

SLICE_CHARACTERS = 4096
"""A text is tokenized in parts of at most this length, which are short enough for the stack."""

_RUN_CHARACTERS = 1024
"""A longer run of one kind of character is cut anywhere: it takes a time that grows faster than its
length."""

_SIGNS = ' \t\r\n!"#$%&()*+,-./:;<=>?@[\\]^`{|}~，。、；：！？（）「」'  # noqa: RUF001 - these are meant
"""What may follow a letter or digit and begin a new word."""

_CROSSED = re.compile(r"(?:[^\W_]|\ufffd)([^\w'])")


class Slicer:
    """Cuts where no token can lie across, wherever there is such a place in a slice's length.

    `tokens` are all tokens of a vocabulary as they are written, `marks` those that are found in a
    text before all others.
    """

    def __init__(self, tokens: Iterable[bytes], marks: Iterable[str]) -> None:
        written = list(tokens)
        text = "\0".join(token.decode(errors="replace") for token in written)
        crossed = set(_CROSSED.findall(text)) | _halved(written)
        signs = "".join(re.escape(sign) for sign in _SIGNS if sign not in crossed)
        self._last_place = re.compile(rf"(?s:.*)[^\W_](?=[{signs}])" if signs else r"(?!)")
        longest_first = sorted({mark for mark in marks if len(mark) > 1}, key=len, reverse=True)
        self._mark = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._mark_characters = len(longest_first[0]) if longest_first else 0

    def slices(self, text: str) -> Iterator[str]:
        """The text in parts of at most SLICE_CHARACTERS."""
        begin = 0
        while len(text) - begin > SLICE_CHARACTERS:
            end = self._end(text, begin)
            yield text[begin:end]
            begin = end
        yield text[begin:]

    def _end(self, text: str, begin: int) -> int:
        place = self._last_place.match(text, begin, begin + SLICE_CHARACTERS)
        if place is not None:
            return place.end()
        limit = begin + _RUN_CHARACTERS
        around = self._mark_characters
        for mark in self._mark.finditer(text, max(begin + 1, limit - around), limit + around):
            if mark.start() < limit < mark.end():
                return mark.start()
        return limit


def _halved(tokens: Iterable[bytes]) -> set[str]:
    """Signs of which a token may have only the beginning, after the end of another character."""
    open_ended = [token for token in tokens if any(byte >= 0xC0 for byte in token[-2:])]
    found: set[str] = set()
    for sign in _SIGNS:
        raw = sign.encode()
        parts = [raw[:length] for length in range(1, len(raw))]
        if any(t.endswith(p) and t[: -len(p)][-1:] >= b"\x80" for t in open_ended for p in parts):
            found.add(sign)
    return found
