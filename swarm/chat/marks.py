"""Marks in a growing text, and that of the lines that tell a vote's course."""

import re

PROGRESS = "[swarm] "
"""What each line of a vote's progress begins with, so that it is known when a client sends it
back."""

_REASONING = "[Assistant reasoning]: "
"""What OpenCode puts before reasoning where it has a conversation summed up."""

_TOLD_AGAIN = re.compile(
    rf"^{re.escape(_REASONING)}(?:{re.escape(PROGRESS)}.*(?:\n|\Z))+(?=(\[|\n|\Z)?)", re.MULTILINE
)


def without_progress(reasoning: str) -> str:
    """A message's reasoning without the lines that no model has written."""
    lines = reasoning.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(PROGRESS))


def without_progress_told_again(text: str) -> str:
    """A user's text without what OpenCode tells of votes' progress in a conversation to sum up.

    In a long session it would take more room than the conversation.
    """
    return _TOLD_AGAIN.sub(lambda found: _REASONING if found[1] is None else "", text)


def partial_mark(data: str, mark: str) -> int:
    """Length of the longest end of `data` that begins `mark` without being all of it."""
    for length in range(min(len(mark) - 1, len(data)), 0, -1):
        if mark.startswith(data[-length:]):
            return length
    return 0
