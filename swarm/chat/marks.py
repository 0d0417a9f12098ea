"""Marks in a growing text, and that of the lines that tell a vote's course."""

PROGRESS = "[swarm] "
"""What each line of a vote's progress begins with, so that it is known when a client sends it
back."""


def without_progress(reasoning: str) -> str:
    """A message's reasoning without the lines that no model has written."""
    lines = reasoning.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(PROGRESS))


def partial_mark(data: str, mark: str) -> int:
    """Length of the longest end of `data` that begins `mark` without being all of it."""
    for length in range(min(len(mark) - 1, len(data)), 0, -1):
        if mark.startswith(data[-length:]):
            return length
    return 0
