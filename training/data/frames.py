"""All tools of known kinds, and which of them a request could mix up."""

from __future__ import annotations

from training.data.frame import Frame
from training.data.frames_home import HOME
from training.data.frames_life import LIFE
from training.data.frames_software import SOFTWARE
from training.data.frames_usual import USUAL
from training.data.frames_work import WORK

FRAMES: tuple[Frame, ...] = (*USUAL, *HOME, *LIFE, *SOFTWARE, *WORK)

RIVALS = tuple(frozenset(names.split(", ")) for names in (
    "search web, search code, find book, get news, define word",
    "set timer, set alarm, create reminder",
    "create event, schedule meeting, schedule job, create reminder",
    "create ticket, create issue",
    "deploy service, merge branch, scale deployment",
    "review change, write review",
    "set temperature, set thermostat schedule",
    "log expense, pay bill, transfer money",
    "calculate, convert units, convert currency",
))
"""Frames whose requests are alike; no toolset has two of a line."""


def _near(frame: Frame) -> tuple[Frame, ...]:
    words = set(frame.name.split())
    rivals = frozenset[str]().union(*(line for line in RIVALS if frame.name in line))
    return tuple(f for f in FRAMES if f is not frame and f.name not in rivals and words & set(f.name.split()))


NEAR = {frame.name: _near(frame) for frame in FRAMES}
"""For each frame those that share its verb or its noun."""


def rivals(one: str, other: str) -> bool:
    """Whether a request for one frame could be meant for the other."""
    return one == other or any(one in line and other in line for line in RIVALS)
