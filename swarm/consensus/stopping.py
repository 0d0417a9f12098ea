"""When a vote is decided. Time is an argument; nothing here waits."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from statistics import median
from typing import Literal, TypeAlias

from swarm.consensus.score import Outstanding, Score
from swarm.types import DecidedBy

Decide: TypeAlias = Literal["exact", "statistical", "all", "first", "best"]
"""When to stop: by proof, by confidence, when all are in; at the first or at the strongest vote."""

CONFIDENCE = 0.93
"""Three votes of one mind reach it, two do not."""

LEAST_GRACE_S = 0.25


@dataclass(frozen=True, slots=True)
class Course:
    """How far a vote has come. Seconds count from the request.

    `arrived_s` are the times of the whole votes, none before the last; `outstanding` may still
    vote. Until nobody does, or the time is over, weak votes are as if they had not come.
    `patience_s` bounds the wait for a voter that is stronger than all who have voted. `hurried`: an
    agent waits, so once most have voted the others have as long again.
    """

    score: Score
    arrived_s: Sequence[float]
    outstanding: Outstanding
    _: KW_ONLY
    now_s: float
    deadline_s: float
    patience_s: float = 20.0
    hurried: bool = False


def decided(course: Course, rule: Decide = "exact") -> DecidedBy | None:
    """Why the vote can end now, or None while it cannot."""
    score, outstanding = course.score, course.outstanding
    if not outstanding:
        return _fullness(score)
    if course.now_s >= course.deadline_s:
        return "deadline"
    if not score.whole or rule == "all":
        return None
    if rule == "first":
        return "first"
    if rule == "best":
        return "best" if outstanding.heaviest <= score.heaviest else None
    if score.settled(outstanding.weight):
        return "majority"
    return _unproved(course, rule) if course.now_s >= patient_until(course) else None


def _unproved(course: Course, rule: Decide) -> DecidedBy | None:
    """Why a vote that is not settled can end all the same."""
    if rule == "statistical" and confident(course.score):
        return "statistical"
    if course.hurried and course.now_s >= hurried_until(course):
        return "quorum"
    if course.now_s < quorum_until(course):
        return None
    return "quorum" if course.score.alike() else None


def wake_s(course: Course) -> float:
    """When to ask again if nobody votes until then: the end of grace, patience, hurry or time."""
    times = (
        patient_until(course),
        quorum_until(course),
        hurried_until(course) if course.hurried else course.deadline_s,
        course.deadline_s,
    )
    return min((time for time in times if time > course.now_s), default=course.deadline_s)


def confident(score: Score) -> bool:
    """Whether the class that would be given leads so far, on each level, that a tie is improbable.

    Closed form of the Beta tail of Adaptive-Consistency (arXiv 2305.11860), counting votes.
    """
    leader = score.leader()
    return leader is not None and all(_far_ahead(*heads) for heads in score.heads(leader))


def _far_ahead(first: int, second: int) -> bool:
    trials = first + second + 1
    ways, fewer = 1, 0
    for j in range(first + 1):
        fewer += ways
        ways = ways * (trials - j) // (j + 1)
    return fewer >= CONFIDENCE * 2**trials


def quorum_until(course: Course) -> float:
    """When answers that are only alike are decided: more than half of all, and a grace."""
    reached = _quorum_s(course)
    if reached is None:
        return course.deadline_s
    grace = max(LEAST_GRACE_S, median(course.arrived_s) / 2)
    return min(course.deadline_s, reached + grace)


def hurried_until(course: Course) -> float:
    """When an agent's wait ends: more than half of all, and as long again."""
    reached = _quorum_s(course)
    if reached is None:
        return course.deadline_s
    return min(course.deadline_s, reached + max(LEAST_GRACE_S, reached))


def _quorum_s(course: Course) -> float | None:
    """When more than half of those who are whole or may still vote had voted."""
    whole = course.score.whole
    quorum = (whole + len(course.outstanding)) // 2 + 1
    return course.arrived_s[quorum - 1] if whole >= quorum else None


def patient_until(course: Course) -> float:
    """Until when a decision that is not proved waits for a stronger voter that still runs."""
    if course.outstanding.heaviest <= course.score.heaviest:
        return 0.0
    last = course.arrived_s[-1] if course.arrived_s else 0.0
    return min(course.deadline_s, last + min(last, course.patience_s))


def _fullness(score: Score) -> DecidedBy:
    if score.counts.total == 1:
        return "only one"
    return "unanimous" if score.forms == 1 else "all"
