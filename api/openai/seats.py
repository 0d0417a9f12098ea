"""Who can answer a request: this node, if it serves the model, and the peers that do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from api.openai.vote import Party
from swarm.propose import OwnProposer
from swarm.proposer import Proposer
from swarm.team import Seat, Team, voters_of


@dataclass(frozen=True, slots=True)
class Seats:
    """The seats of a question with the proposer behind each; this node's comes first."""

    all: Sequence[Seat]
    proposers: Sequence[Proposer]

    @classmethod
    def of(cls, model: str, own: OwnProposer, peers: Sequence[Proposer]) -> Self:
        """Raises UnknownModel or EngineNotReady where nobody can answer."""
        offers = [(proposer, proposer.offer(model)) for proposer in (own, *peers)]
        able = [(proposer, offer) for proposer, offer in offers if offer is not None]
        if not able:
            own.must_offer(model, tuple(name for peer in peers for name in peer.models()))
        seats = [
            Seat(proposer.node, proposer.name, proposer.address, offer, own=proposer is own)
            for proposer, offer in able
        ]
        return cls(seats, [proposer for proposer, _ in able])

    def parties(self, team: Team, weights: Mapping[str, Fraction]) -> list[Party]:
        """Those that a team has workers of."""
        voters = voters_of(self.all, team.workers, weights)
        return [
            Party(proposer, own)
            for proposer, own in zip(self.proposers, voters, strict=True)
            if own
        ]
