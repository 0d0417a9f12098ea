"""A text's lines, as editors and compilers count them."""


def lines_of(text: str) -> list[str]:
    """Without their ends. A form feed or U+2028, at which Python would break, stays in its line."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
