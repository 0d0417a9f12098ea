"""How a vote stands, kept as votes come: each costs the same however many came before it."""

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable
from fractions import Fraction
from typing import Generic, Self, TypeVar

from swarm.consensus.canonical import Form, Kind
from swarm.consensus.tally import Vote, Voter, leading

K = TypeVar("K", bound=Hashable)

_NOTHING = Fraction(0)


class Sums(Generic[K]):
    """The weight behind each value, and which two have the most. Weights are only added."""

    def __init__(self) -> None:
        self.of: dict[K, Fraction] = {}
        self.total = _NOTHING
        self.first: K | None = None
        self._second: K | None = None

    def add(self, value: K, weight: Fraction) -> None:
        """More weight, more than 0, for one value."""
        self.total += weight
        self.of[value] = mine = self.of.get(value, _NOTHING) + weight
        if value == self.first:
            return
        if self.first is None or mine > self.of[self.first]:
            self.first, self._second = value, self.first
        elif self._second is None or mine > self.of[self._second]:
            self._second = value

    @property
    def most(self) -> Fraction:
        """The weight of the first."""
        return _NOTHING if self.first is None else self.of[self.first]

    @property
    def next(self) -> Fraction:
        """The weight of the second."""
        return _NOTHING if self._second is None else self.of[self._second]

    def ahead(self, outstanding: Fraction) -> K | None:
        """The value that exceeds each other one, even with all outstanding weight on that one."""
        return self.first if self.most > self.next + outstanding else None

    def against(self, value: K) -> tuple[int, int]:
        """The whole weight of one value, and of the best other."""
        other = self.next if value == self.first else self.most
        return int(self.of.get(value, _NOTHING)), int(other)

    def tied(self) -> list[K]:
        """All values that none exceeds."""
        return [value for value, weight in self.of.items() if weight == self.most]


class Levels:
    """Weights by kind, by structure within a kind, by class within a structure."""

    def __init__(self) -> None:
        self.kinds = Sums[Kind]()
        self.structures: dict[Kind, Sums[Hashable]] = defaultdict(Sums)
        self.classes: dict[tuple[Kind, Hashable], Sums[Hashable]] = defaultdict(Sums)
        self.alike: dict[tuple[Kind, Hashable], bool] = {}
        self.votes = Sums[Form]()

    def add(self, form: Form, weight: Fraction) -> None:
        """One vote's weight on all levels."""
        place = (form.kind, form.structure)
        self.kinds.add(form.kind, weight)
        self.structures[form.kind].add(form.structure, weight)
        self.classes[place].add(form.key, weight)
        self.alike[place] = form.alike
        self.votes.add(form, Fraction(1))

    def leaders_alike(self) -> set[bool]:
        """Whether answers are only alike in the leading structure; both where some tie."""
        return {
            self.alike[kind, structure]
            for kind in self.kinds.tied()
            for structure in self.structures[kind].tied()
        }


class Score:
    """The votes that have come, in their order, with all that the rules of stopping ask of them.

    `heaviest` is the weight of the strongest whole vote, 0 before there is one.
    """

    def __init__(self, seed: str = "") -> None:
        self.votes: list[Vote] = []
        self.heaviest = _NOTHING
        self._seed = seed
        self._whole = Levels()
        self._weak = Levels()
        self._heads = Levels()
        self._first: dict[Form, Vote] = {}

    @classmethod
    def of(cls, votes: Iterable[Vote], seed: str = "") -> Self:
        """The score of some votes."""
        score = cls(seed)
        for vote in votes:
            score.add(vote)
        return score

    def add(self, vote: Vote) -> None:
        """One more vote."""
        self.votes.append(vote)
        self._first.setdefault(vote.form, vote)
        if vote.form.weak:
            self._weak.add(vote.form, vote.weight)
        else:
            self._whole.add(vote.form, vote.weight)
            self._heads.add(vote.form, Fraction(1))
            self.heaviest = max(self.heaviest, vote.weight)

    @property
    def counts(self) -> Sums[Form]:
        """How many have voted for each class that counts, whatever their votes weigh."""
        return self._counted.votes

    @property
    def forms(self) -> int:
        """How many classes there are that count."""
        return len(self._counted.votes.of)

    @property
    def whole(self) -> int:
        """How many whole votes have come: as long as others are outstanding only they decide."""
        return int(self._whole.votes.total)

    def settled(self, outstanding: Fraction) -> bool:
        """Whether no vote that may still come can change the winning class.

        Level by level the leader must be ahead by more than all outstanding weight, each time with
        all of it against the leader. A weak vote is out for good once a whole one has come; before
        that nothing is settled.
        """
        leader = self.leader(outstanding)
        # of texts that are alike another may always be closer to all
        return leader is not None and not leader.alike

    def leader(self, outstanding: Fraction = _NOTHING) -> Form | None:
        """The class that is given if the outstanding weight goes to any others that have come.

        None if that cannot be told without comparing texts. A class with more than half of its
        structure's weight is also the one closest to all: likeness is a metric.
        """
        levels = self._whole
        kind = levels.kinds.ahead(outstanding)
        structure = None if kind is None else levels.structures[kind].ahead(outstanding)
        if kind is None or structure is None:
            return None
        classes, alike = levels.classes[kind, structure], levels.alike[kind, structure]
        compared = alike or kind == "tools"
        if compared and 2 * classes.most <= classes.total + outstanding:
            return None
        key = classes.first if compared else classes.ahead(outstanding)
        return None if key is None else Form(kind, structure, key, alike=alike)

    def heads(self, form: Form) -> list[tuple[int, int]]:
        """How many whole votes are for this one at each level, and how many for the best other."""
        levels = self._heads
        return [
            levels.kinds.against(form.kind),
            levels.structures[form.kind].against(form.structure),
            levels.classes[form.kind, form.structure].against(form.key),
        ]

    def alike(self) -> bool:
        """Whether answers are only alike in the structure that leads; at least one has come."""
        answers = self._counted.leaders_alike()
        if len(answers) == 1:
            return answers.pop()
        return leading(self.votes, self._seed)[0].form.alike

    def ahead(self) -> tuple[Vote, float]:
        """The first vote of the class that has the most weight, and its share of all counted.

        Likeness is not looked at: this tells how things stand and decides nothing.
        """
        levels = self._counted
        kind = levels.kinds.first
        if kind is None:
            raise ValueError("nobody has voted")
        structure = levels.structures[kind].first
        classes = levels.classes[kind, structure]
        weak = levels is self._weak
        form = Form(kind, structure, classes.first, weak, alike=levels.alike[kind, structure])
        return self._first[form], float(classes.most / levels.kinds.total)

    @property
    def _counted(self) -> Levels:
        return self._whole if self._whole.kinds.of else self._weak


class Outstanding:
    """The voters that may still vote; they only become fewer."""

    def __init__(self, voters: Iterable[Voter]) -> None:
        self._open = {voter.id: voter for voter in voters}
        self._by_weight = [(-voter.weight, voter.id) for voter in self._open.values()]
        heapq.heapify(self._by_weight)
        self.weight = sum((voter.weight for voter in self._open.values()), _NOTHING)

    def __len__(self) -> int:
        return len(self._open)

    def remove(self, voter: str) -> None:
        """This voter votes no more."""
        self.weight -= self._open.pop(voter).weight

    @property
    def heaviest(self) -> Fraction:
        """The weight of the strongest of them, 0 if there is none."""
        while self._by_weight and self._by_weight[0][1] not in self._open:
            heapq.heappop(self._by_weight)
        return -self._by_weight[0][0] if self._by_weight else _NOTHING
