"""When a vote is decided. Time is an argument; nothing here waits."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from statistics import median
from typing import Literal, TypeAlias, TypeVar

from swarm.consensus.canonical import Form
from swarm.consensus.tally import Vote, Voter, count, weights, whole
from swarm.types import DecidedBy

Decide: TypeAlias = Literal["exact", "statistical", "all", "first", "best"]
"""When to stop: by proof, by confidence, when all are in; at the first or at the strongest vote."""

K = TypeVar("K", bound=Hashable)

CONFIDENCE = 0.93
LEAST_VOTES = 3
LEAST_GRACE_S = 0.25


@dataclass(frozen=True, slots=True)
class Course:
    """How far a vote has come. Seconds count from the request.

    `arrived_s` are the times of the valid votes, in their order; `outstanding` may still vote.
    `patience_s` bounds the wait for a voter that is stronger than all who have voted. `hurried`: an
    agent waits, so once most have voted the others have as long again.
    """

    votes: Sequence[Vote]
    arrived_s: Sequence[float]
    outstanding: Sequence[Voter]
    now_s: float
    deadline_s: float
    patience_s: float = 20.0
    hurried: bool = False


def decided(course: Course, rule: Decide = "exact") -> DecidedBy | None:
    """Why the vote can end now, or None while it cannot."""
    if not course.outstanding:
        return "only one" if len(course.votes) == 1 else _fullness(course.votes)
    if course.now_s >= course.deadline_s:
        return "deadline"
    if not course.votes or rule == "all":
        return None
    if rule == "first":
        return "first"
    if rule == "best":
        heaviest = max(vote.weight for vote in course.votes)
        return "best" if all(v.weight <= heaviest for v in course.outstanding) else None
    if settled(course.votes, sum((v.weight for v in course.outstanding), Fraction(0))):
        return "majority"
    return _unproved(course, rule) if course.now_s >= patient_until(course) else None


def _unproved(course: Course, rule: Decide) -> DecidedBy | None:
    """Why a vote that is not settled can end all the same."""
    if rule == "statistical" and confident(course.votes):
        return "statistical"
    if course.hurried and course.now_s >= hurried_until(course):
        return "quorum"
    if course.now_s < quorum_until(course):  # first, for to compare texts takes its time
        return None
    return "quorum" if count(course.votes, seed="").standings[0].best.form.alike else None


def wake_s(course: Course) -> float:
    """When to ask again if nobody votes until then: the end of grace, patience, hurry or time."""
    times = (
        patient_until(course),
        quorum_until(course),
        hurried_until(course) if course.hurried else course.deadline_s,
        course.deadline_s,
    )
    return min((time for time in times if time > course.now_s), default=course.deadline_s)


def settled(votes: Sequence[Vote], outstanding: Fraction) -> bool:
    """Whether no vote that may still come can change the winning class.

    Level by level the leader must be ahead by more than all outstanding weight, each time with all
    of it against the leader. A weak vote is out for good once a whole one has come; before that
    nothing is settled.
    """
    counted = [vote for vote in votes if not vote.form.weak]
    if not counted:
        return False
    kind = _ahead(weights(counted, lambda form: form.kind), outstanding)
    if kind is None:
        return False
    of_kind = [vote for vote in counted if vote.form.kind == kind]
    structure = _ahead(weights(of_kind, lambda form: form.structure), outstanding)
    if structure is None:
        return False
    inside = [vote for vote in of_kind if vote.form.structure == structure]
    return _class_settled(inside, outstanding)


def _class_settled(votes: Sequence[Vote], outstanding: Fraction) -> bool:
    form = votes[0].form
    classes = weights(votes, lambda f: f.key)
    if form.alike:  # another text may always be closer to all
        return False
    if form.kind == "tools":
        return 2 * max(classes.values()) > sum(classes.values()) + outstanding
    return _ahead(classes, outstanding) is not None


def _ahead(sums: Mapping[K, Fraction], outstanding: Fraction) -> K | None:
    """The value whose weight exceeds each other's, even with all outstanding on that one."""
    first, *others = sorted(sums, key=lambda value: sums[value], reverse=True)
    second = sums[others[0]] if others else Fraction(0)
    return first if sums[first] > second + outstanding else None


def confident(votes: Sequence[Vote]) -> bool:
    """Whether the first class leads the second so far that a tie is improbable.

    Closed form of the Beta tail of Adaptive-Consistency (arXiv 2305.11860), counting votes.
    """
    counted = whole(votes)
    if len(counted) < LEAST_VOTES:
        return False
    counts: dict[Form, int] = {}
    for vote in counted:
        counts[vote.form] = counts.get(vote.form, 0) + 1
    first, second = (*sorted(counts.values(), reverse=True), 0)[:2]
    trials = first + second + 1
    return sum(comb(trials, j) for j in range(first + 1)) >= CONFIDENCE * 2**trials


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
    """When more than half of those who were asked and have not abstained had voted."""
    quorum = (len(course.votes) + len(course.outstanding)) // 2 + 1
    return course.arrived_s[quorum - 1] if len(course.votes) >= quorum else None


def patient_until(course: Course) -> float:
    """Until when a decision that is not proved waits for a stronger voter that still runs."""
    strongest = max((vote.weight for vote in course.votes), default=Fraction(0))
    if not any(voter.weight > strongest for voter in course.outstanding):
        return 0.0
    last = max(course.arrived_s, default=0.0)
    return min(course.deadline_s, last + min(last, course.patience_s))


def _fullness(votes: Sequence[Vote]) -> DecidedBy:
    return "unanimous" if len({vote.form for vote in votes}) == 1 else "all"
