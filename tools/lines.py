"""A text's lines, as editors and compilers count them."""


def lines_of(text: str) -> list[str]:
    """Without their ends. A form feed or U+2028, at which Python would break, stays in its line."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def pieces_of(line: str, most_chars: int) -> list[str]:
    """The line, or what it is in parts where it is longer."""
    return [line[at : at + most_chars] for at in range(0, max(len(line), 1), most_chars)]
