"""How large a regular expression becomes once its least counts are written out.

The library `regex` does so as it reads one, in no time that anybody can bound: `(?:a{1000}){1000}`
has a million parts. Knows no library and reads no text.
"""

import re

MOST_PARTS = 10_000

_TOKEN = re.compile(
    r"\\[pP]\{\^?[A-Za-z_=]+\}|\\.|\[\^?(?:\\.|[^][\\])+\]|\{(?P<least>[0-9]*)(?:,[0-9]*)?\}|.",
    re.DOTALL,
)
_READ_OTHERWISE = re.compile(r"\(\?(?:#|[A-Za-z0-9-]*[fxV])")
"""Comments, `(?x)`, sets in sets, characters that are several: behind these marks nothing is read
as it stands."""


def is_bounded(pattern: str) -> bool:
    """Whether it has at most `MOST_PARTS`. Where that cannot be told it has more."""
    if len(pattern) > MOST_PARTS:
        return False
    parts = 0
    begun = 0  # how many of them are before the item that a count is for
    opened: list[int] = []
    plain = True  # no set holds another one, so each parenthesis is surely that of a group
    for found in _TOKEN.finditer(pattern):
        said, least = found[0], found["least"]
        if least is not None:
            times = least.lstrip("0")
            parts += (parts - begun) * int(times or 0) if len(times) < 10 else MOST_PARTS
        elif said == "+":
            parts += parts - begun
        elif said == ")":
            begun = opened.pop() if plain and opened else 0
        else:
            begun = parts
        if said == "(":
            if _READ_OTHERWISE.match(pattern, found.start()):
                return False
            opened.append(parts)
        plain = plain and said != "["
        parts += 1
        if parts > MOST_PARTS:
            return False
    return True
