"""Votes counted level by level, and the classes of the leading structure in order of merit.

Nothing depends on the order in which votes came: ties go to support, then answers that no limit
ended, then distinct models, then distinct nodes, then the highest single weight, then a hash
seeded by the request.
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeVar

from swarm.consensus.canonical import ANSWER, Form
from swarm.consensus.similarity import closeness
from swarm.types import CUT, Candidate

COMPARED = 32
"""At most this many answers are compared with each other by likeness."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Voter:
    """Who is asked, and what the vote weighs, more than 0.

    The weight is given by this node and fixed before anything is heard.
    """

    id: str
    node: str = ""
    model: str = ""
    weight: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Vote:
    """A valid candidate with its form and its voter."""

    candidate: Candidate
    form: Form
    voter: Voter

    @property
    def weight(self) -> Fraction:
        return self.voter.weight


@dataclass(frozen=True, slots=True)
class Standing:
    """One class of equal answers, represented by one real candidate."""

    votes: tuple[Vote, ...]
    best: Vote
    weight: Fraction


@dataclass(frozen=True, slots=True)
class Tally:
    """The counted votes: the classes from best to worst, the winner's first.

    `weight` is that of all counted votes; classes of other kinds and structures come last.
    """

    standings: tuple[Standing, ...]
    weight: Fraction

    @property
    def winner(self) -> Candidate:
        return self.standings[0].best.candidate

    def led_by(self, place: int) -> "Tally":
        """The same classes with the one at this place first."""
        chosen = self.standings[place]
        others = [standing for standing in self.standings if standing is not chosen]
        return Tally((chosen, *others), self.weight)

    def most_trusted(self) -> "Tally":
        """The same classes with that of the heaviest vote first; of equal ones the better class."""
        heaviest = [standing.best.weight for standing in self.standings]
        return self.led_by(heaviest.index(max(heaviest)))

    def best(self, n: int) -> list[Vote]:
        """The `n` best candidates: one of each class first, then others of the best classes.

        Where they are fewer than `n`, they are repeated from the best one on.
        """
        first = [standing.best for standing in self.standings]
        more = [v for s in self.standings for v in s.votes if v is not s.best]
        return list(itertools.islice(itertools.cycle([*first, *more]), n))

    @property
    def counted(self) -> int:
        """How many votes were counted."""
        return sum(len(standing.votes) for standing in self.standings)

    @property
    def support(self) -> float:
        """The winning class's share of all counted weight."""
        return float(self.standings[0].weight / self.weight)

    @property
    def margin(self) -> float:
        """Its lead over the next class of any kind, as a share of all counted weight."""
        rest = max((standing.weight for standing in self.standings[1:]), default=Fraction(0))
        return float((self.standings[0].weight - rest) / self.weight)


def capped(
    voters: Sequence[Voter], cap: Fraction, group: Callable[[Voter], str]
) -> tuple[Voter, ...]:
    """The voters with their weights scaled down where a group's together exceed the cap."""
    sums = totals(voters, group)
    scale = {name: min(Fraction(1), cap / total) for name, total in sums.items()}
    return tuple(replace(each, weight=each.weight * scale[group(each)]) for each in voters)


def totals(voters: Iterable[Voter], group: Callable[[Voter], str]) -> dict[str, Fraction]:
    """The weight of each group of voters."""
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for voter in voters:
        sums[group(voter)] += voter.weight
    return dict(sums)


def whole(votes: Iterable[Vote]) -> list[Vote]:
    """The votes that count: the weak ones only where there are no others."""
    everyone = list(votes)
    return [vote for vote in everyone if not vote.form.weak] or everyone


def weights(votes: Iterable[Vote], level: Callable[[Form], K]) -> dict[K, Fraction]:
    """The weight behind each value of a level."""
    sums: dict[K, Fraction] = defaultdict(Fraction)
    for vote in votes:
        sums[level(vote.form)] += vote.weight
    return dict(sums)


def count(votes: Sequence[Vote], *, seed: str) -> Tally:
    """Count votes, at least one: kind first, then structure, then class.

    In the leading structure the class with the most weight leads. Where none has more than any
    other (for calls: more than half), or answers are only alike, the one closest to all of the
    structure leads; short answers are not close to each other, only equal.
    """
    counted = whole(votes)
    inside = leading(votes, seed)
    place = _place(inside[0])
    rest = [vote for vote in counted if _place(vote) != place]
    ordered = [
        *_ranked(inside, seed),
        *sorted(_classes(rest, seed), key=_merit(seed), reverse=True),
    ]
    return Tally(tuple(ordered), sum((vote.weight for vote in counted), Fraction(0)))


def leading(votes: Sequence[Vote], seed: str) -> list[Vote]:
    """The votes of the leading structure of the leading kind, at least one."""
    counted = whole(votes)
    kind = _leading(counted, lambda form: form.kind, seed)
    of_kind = [vote for vote in counted if vote.form.kind == kind]
    structure = _leading(of_kind, lambda form: form.structure, seed)
    return [vote for vote in of_kind if vote.form.structure == structure]


def _place(vote: Vote) -> tuple[str, Hashable]:
    return vote.form.kind, vote.form.structure


def _ranked(votes: list[Vote], seed: str) -> list[Standing]:
    """The classes of one structure, best first."""
    standings = sorted(_classes(votes, seed), key=_merit(seed), reverse=True)
    if settled_by_weight(votes):
        return standings
    compared = standings[:COMPARED]
    close = closeness([_text(s.best.form) for s in compared], [float(s.weight) for s in compared])
    score = {s.best.form: round(near, 9) for s, near in zip(compared, close, strict=True)}
    merit = _merit(seed)
    return sorted(standings, key=lambda s: (score.get(s.best.form, -1.0), merit(s)), reverse=True)


def settled_by_weight(votes: Sequence[Vote]) -> bool:
    """Whether the leading class of this one structure is found without comparing texts."""
    form = votes[0].form
    classes = sorted(weights(votes, lambda f: f.key).values(), reverse=True)
    if len(classes) == 1 or form.structure == ANSWER:
        return True
    if form.alike:
        return False
    if form.kind == "tools":
        return 2 * classes[0] > sum(classes)
    return classes[0] > classes[1]


def _leading(votes: Sequence[Vote], level: Callable[[Form], Hashable], seed: str) -> Hashable:
    groups: dict[Hashable, list[Vote]] = defaultdict(list)
    for vote in votes:
        groups[level(vote.form)].append(vote)
    if len(groups) == 1:
        return next(iter(groups))
    merit = _merit(seed)
    return max(groups, key=lambda value: merit(_standing(groups[value], seed)))


def _classes(votes: Iterable[Vote], seed: str) -> list[Standing]:
    classes: dict[Form, list[Vote]] = defaultdict(list)
    for vote in votes:
        classes[vote.form].append(vote)
    return [_standing(members, seed) for members in classes.values()]


def _standing(votes: list[Vote], seed: str) -> Standing:
    best = max(votes, key=lambda vote: (vote.weight, _ended(vote), _hash(seed, vote)))
    members = tuple(sorted(votes, key=lambda vote: vote.voter.id))
    return Standing(members, best, sum((vote.weight for vote in votes), Fraction(0)))


def _ended(vote: Vote) -> bool:
    """Whether no limit ended the answer."""
    return vote.candidate.finish not in CUT


def _merit(seed: str) -> Callable[[Standing], tuple[Fraction, bool, int, int, Fraction, str]]:
    """Support, that no limit ended one, distinct models, distinct nodes, the highest single
    weight, a seeded hash.
    """

    def merit(standing: Standing) -> tuple[Fraction, bool, int, int, Fraction, str]:
        voters = [vote.voter for vote in standing.votes]
        return (
            standing.weight,
            any(map(_ended, standing.votes)),
            len({voter.model for voter in voters}),
            len({voter.node for voter in voters}),
            max(voter.weight for voter in voters),
            max(_hash(seed, vote) for vote in standing.votes),
        )

    return merit


def _hash(seed: str, vote: Vote) -> str:
    told = f"{seed}\0{vote.form.kind}\0{_text(vote.form)}\0{vote.voter.id}"
    return hashlib.blake2b(told.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def _text(form: Form) -> str:
    """What likeness is measured on: what all answers of the class have in common."""
    return form.key if isinstance(form.key, str) else repr((form.structure, form.key))
