"""Who answers a question: how many workers of which node, and what their votes weigh. Pure."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_high

from swarm.consensus.tally import Voter, capped, totals
from swarm.errors import InvalidRequest, Overloaded
from swarm.proposer import Offer
from swarm.workers import VoteWeights, outweighing


@dataclass(frozen=True, slots=True)
class Seat:
    """A node that can answer; the first of several is this one, if it can. `own`: this node.

    `names` are those by which the owner may weigh it.
    """

    node: str
    name: str
    address: str
    offer: Offer
    own: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Team:
    """How many workers of each seat, in the order of the seats; `note` says why they are fewer."""

    counts: tuple[int, ...]
    note: str | None = None

    @property
    def size(self) -> int:
        return sum(self.counts)


def team(seats: Sequence[Seat], asked: int | None, *, temperature_0: bool, n: int = 1) -> Team:
    """How many workers of each node vote. Raises InvalidRequest or Overloaded.

    A number that was asked for is kept or refused. Otherwise every node gives its usual ones as
    far as they are free; where nobody is free, one answers where the least work waits. At
    temperature 0 one worker of each model is enough. Each of `n` choices takes a voter, unless one
    worker gives them all.
    """
    most = sum(seat.offer.most for seat in seats)
    if n > most:
        raise InvalidRequest(f"n is at most {most} here, not {n}", param="n")
    if asked is not None and n > asked > 1:
        message = f"n is {n}, but {asked} voters give {asked} choices at most: ask for {n} voters"
        raise InvalidRequest(f"{message}, or for 1, which gives all", param="n")
    if asked == 1 and n > 1:
        return alone(seats, n)
    if asked is not None:
        given = dealt(seats, asked)
        return Team(given, _same_at_0(seats, given) if temperature_0 and asked > 1 else None)
    if temperature_0:
        given = _one_of_each_model(seats, n)
        return Team(given, _same_at_0(seats, given))
    usual = sum(seat.offer.usual for seat in seats)
    given = [min(max(s.offer.usual, n if s.own else 0), s.offer.free) for s in seats]
    if n > max(1, sum(given)):
        given = _one_for_each(seats, n)
    if not any(given):
        given = _ones(seats, least_waiting(seats))
    size = sum(given)
    if size >= usual:
        return Team(tuple(given))
    busy = "the node is busy" if len({seat.node for seat in seats}) == 1 else "nodes are busy"
    return Team(tuple(given), f"{size} of {usual} workers: {busy}")


def dealt(seats: Sequence[Seat], asked: int) -> tuple[int, ...]:
    """`asked` workers dealt out one by one, to this node first. Raises where they are too many."""
    most, free = (sum(getattr(seat.offer, what) for seat in seats) for what in ("most", "free"))
    if asked > most:
        message = f"voters is {asked}; there are at most {most} workers at once"
        raise InvalidRequest(message, param="swarm.voters")
    if asked > free:
        raise Overloaded(f"{asked} workers were asked for, {free} are free", retry_after_s=2)
    given = [0] * len(seats)
    while asked:
        for at, seat in enumerate(seats):
            if given[at] < seat.offer.free and asked:
                given[at] += 1
                asked -= 1
    return tuple(given)


def _one_for_each(seats: Sequence[Seat], n: int) -> tuple[int, ...]:
    free = sum(seat.offer.free for seat in seats)
    if n > free:
        message = f"n is {n}, each choice a worker's own; {free} are free"
        raise Overloaded(message, retry_after_s=2)
    return dealt(seats, n)


def alone(seats: Sequence[Seat], n: int = 1) -> Team:
    """One worker, of `n` samples: this node's, unless it is full and another node is not."""
    most = seats[0].offer.most
    if n > most:
        raise InvalidRequest(f"n is at most {most} here, not {n}", param="n")
    return Team(_ones(seats, _one_of(seats, n)))


def _one_of(some: Sequence[Seat], n: int) -> Seat:
    """Who answers alone: of several choices only this node's worker gives them all."""
    first = some[0]
    able = [seat for seat in some if seat.offer.free] or some
    return first if first.own and (n > 1 or first in able) else least_waiting(able)


def least_waiting(seats: Sequence[Seat]) -> Seat:
    """The seat with the least work in front of a new question."""
    return min(seats, key=lambda seat: (seat.offer.waiting_tokens, not seat.own, seat.node))


def strongest_alone(seats: Sequence[Seat], whole: Team, weights: VoteWeights) -> Team:
    """Only the one voter that all others together could not outvote, if there is one.

    It weighs what it would in the vote: a peer that names a strong model is believed no further.
    """
    places = [at for at, count in enumerate(whole.counts) for _ in range(count)]
    voters = voters_of(seats, whole.counts, weights)
    strong = outweighing([voter.weight for those in voters for voter in those])
    if strong is None:
        return whole
    seat = seats[places[strong]]
    who = seat.offer.model if seat.own else f"{seat.name} ({seat.offer.model})"
    note = f"{who} answers alone: it weighs more than all others together"
    return Team(_ones(seats, seat), note)


def voters_of(
    seats: Sequence[Seat], counts: Sequence[int], weights: VoteWeights
) -> list[list[Voter]]:
    """The voters of each seat: their ids, and weights by the node's names, else by the model's.

    What all nodes of one address weigh together is at most what the median address weighs, so
    that no single machine outvotes the others (docs/decisions/0015).
    """
    numbers = itertools.count()
    voters = [
        [
            Voter(
                f"{next(numbers)}" if seat.own else f"{seat.name}/{at}",
                seat.node,
                seat.offer.model,
                weights.of(seat.offer.model, *seat.names),
            )
            for at in range(count)
        ]
        for seat, count in zip(seats, counts, strict=True)
    ]
    address = {seat.node: seat.address for seat in seats}
    everyone = [voter for those in voters for voter in those]
    weighed = totals(everyone, lambda voter: address[voter.node])
    cap = median_high(weighed.values()) if weighed else Fraction(0)
    fair = iter(capped(everyone, cap, lambda voter: address[voter.node]))
    return [list(itertools.islice(fair, len(those))) for those in voters]


def _ones(seats: Sequence[Seat], *chosen: Seat) -> tuple[int, ...]:
    """One worker at each of the chosen seats."""
    return tuple(int(seat in chosen) for seat in seats)


def _one_of_each_model(seats: Sequence[Seat], n: int) -> tuple[int, ...]:
    of_model: dict[str, list[Seat]] = {}
    for seat in seats:
        of_model.setdefault(seat.offer.model, []).append(seat)
    return _ones(seats, *(_one_of(some, n) for some in of_model.values()))


def _same_at_0(seats: Sequence[Seat], given: Sequence[int]) -> str:
    """At temperature 0 the workers of one model all say the same."""
    models = {seat.offer.model for seat, count in zip(seats, given, strict=True) if count}
    if len(models) == 1:
        return "at temperature 0 all workers say the same: one is enough"
    return "at temperature 0 one worker of each model is enough"
