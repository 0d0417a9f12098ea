"""Words of others as they may stand in a log and on a screen. Knows nobody's words."""


def printable(text: str) -> str:
    """On one line, and nothing in it that a terminal would obey: U+FFFD for each such character."""
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else "\ufffd" for one in line)
