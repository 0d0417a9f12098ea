"""Marks in a growing text, and that of the lines that tell a vote's course."""

import re

PROGRESS = "[swarm] "
"""What each line of a vote's progress begins with, so that it is known when a client sends it
back."""

_REASONING = "[Assistant reasoning]: "
"""What OpenCode puts before reasoning where it has a conversation summed up."""

_SUMMED_UP = re.compile(
    rf"^{re.escape(_REASONING)}(.*?)(?=^\[(?:User|Assistant|Tool)\b|\Z)", re.MULTILINE | re.DOTALL
)
"""The reasoning of one answer in such a conversation."""


def without_progress(reasoning: str) -> str:
    """A message's reasoning without the lines that no model has written."""
    lines = reasoning.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(PROGRESS))


def without_progress_told_again(text: str) -> str:
    """A user's text without what OpenCode tells of votes' progress in a conversation to sum up.

    In a long session it would take more room than the conversation.
    """

    def kept(found: re.Match[str]) -> str:
        own = without_progress(found[1])
        if own == found[1]:
            return found[0]
        return _REASONING + own if own.strip() else ""

    return _SUMMED_UP.sub(kept, text)


def partial_mark(data: str, mark: str) -> int:
    """Length of the longest end of `data` that begins `mark` without being all of it."""
    for length in range(min(len(mark) - 1, len(data)), 0, -1):
        if mark.startswith(data[-length:]):
            return length
    return 0
