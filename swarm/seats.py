"""Who can answer a question: this node's models that serve it, and the peers that do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from swarm.propose import OwnProposer
from swarm.proposer import Proposer
from swarm.team import Seat, Team, voters_of
from swarm.vote import Party
from swarm.workers import VoteWeights


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of a question with the proposer behind each; this node's come first."""

    all: Sequence[Seat]
    proposers: Sequence[Proposer]

    @classmethod
    def of(
        cls, model: str, own: OwnProposer, peers: Sequence[Proposer], *, beside: Sequence[str] = ()
    ) -> Self:
        """`beside` are this node's other models, of which each takes one of its seats.

        Raises UnknownModel or EngineNotReady where nobody can answer.
        """
        offers = [(proposer, proposer.offer(model)) for proposer in (own, *peers)]
        able = [(proposer, offer) for proposer, offer in offers if offer is not None]
        if not able:
            elsewhere = tuple(name for peer in peers for name in peer.models())
            able = [(own, own.must_offer(model, elsewhere))]  # raises, and says why
        if able[0][0] is own:
            first = able[0][1]
            others = [offer for name in beside if (offer := own.offer(name)) and offer.free]
            others = others[: first.usual - 1]
            able[0] = (own, replace(first, usual=first.usual - len(others)))
            able[1:1] = [(own, replace(offer, usual=1, free=1, most=1)) for offer in others]
        seats = [
            Seat(
                proposer.node,
                proposer.name,
                proposer.address,
                offer,
                own=proposer is own,
                names=proposer.names,
            )
            for proposer, offer in able
        ]
        return cls(seats, [proposer for proposer, _ in able])

    def parties(self, team: Team, weights: VoteWeights) -> list[Party]:
        """Those that a team has workers of."""
        voters = voters_of(self.all, team.counts, weights)
        behind = zip(self.proposers, self.all, voters, strict=True)
        return [Party(proposer, seat.offer.model, own) for proposer, seat, own in behind if own]
