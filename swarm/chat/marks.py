"""Marks in a growing text."""


def partial_mark(data: str, mark: str) -> int:
    """Length of the longest end of `data` that begins `mark` without being all of it."""
    for length in range(min(len(mark) - 1, len(data)), 0, -1):
        if mark.startswith(data[-length:]):
            return length
    return 0
