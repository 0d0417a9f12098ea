"""What a peer's workers read and write for a key is counted to it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from api.counted import CountedProposer
from api.keyring import Caller
from api.limits import Meter
from swarm.proposer import Began, Ended, Offer, Said, Told
from swarm.types import Message, Question, SamplingParams

QUESTION = Question("m", (Message("user", "hi"),), SamplingParams())


class Peer:
    """Says what it is told to say."""

    node = name = address = "peer"
    names = (name,)

    def __init__(self, *steps: Sequence[Told]) -> None:
        self._steps = steps
        self.closed = False
        self.wins = 0

    def models(self) -> tuple[str, ...]:
        return ("m",)

    def offer(self, model: str) -> Offer | None:
        return Offer(model, usual=1, free=1, most=1)

    def won(self) -> None:
        self.wins += 1

    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        try:
            for step in self._steps:
                yield list(step)
        finally:
            self.closed = True


async def used(peer: Peer, *, steps: int = 99) -> tuple[int, int]:
    """Prompt and completion tokens of the caller after that many steps."""
    caller = Caller("key", None, Meter(), lambda: 0.0)
    counted = CountedProposer(peer, caller)
    async with aclosing(counted.propose(QUESTION, 2, remaining_s=5, live=True)) as told:
        async for _ in told:
            steps -= 1
            if not steps:
                break
    assert peer.closed
    return caller.meter.prompt_tokens, caller.meter.completion_tokens


@pytest.mark.parametrize(
    "said",
    [
        [[(0, Said(tokens=2))], [(0, Said(tokens=1))], [(1, Said(tokens=4))]],
        [[(0, Said(tokens=1))]],
        [],
    ],
)
async def test_a_prompt_counts_once_and_every_token_once(said: list[list[Told]]) -> None:
    began: list[Told] = [(0, Began(7, 3)), (1, Began(7, 3))]
    ended: list[Told] = [(0, Ended("stop", 3)), (1, Ended("stop", 4))]
    assert await used(Peer(began, *said, ended)) == (7, 7)


@pytest.mark.parametrize("counted", [7, 2])
async def test_a_prompt_that_is_counted_in_the_end_counts_once_and_as_it_is(counted: int) -> None:
    began: list[Told] = [(0, Began(5, 0)), (1, Began(5, 0))]
    again: list[Told] = [(at, Began(counted, 1)) for at in range(2)]
    assert await used(Peer(began, again)) == (counted, 0)


async def test_an_end_that_tells_fewer_than_were_said_is_right() -> None:
    said: list[Told] = [(0, Said(tokens=5)), (1, Said(tokens=4))]
    ended: list[Told] = [(0, Ended("stop", 3)), (1, Ended("stop", 4))]
    assert await used(Peer([(0, Began(7, 3))], said, ended)) == (7, 7)


async def test_an_answer_that_breaks_off_counts_as_far_as_it_came() -> None:
    peer = Peer([(0, Began(7, 0))], [(0, Said(tokens=2))], [(0, Ended("stop", 9))])
    assert await used(peer, steps=2) == (7, 2)


async def test_it_is_the_peer_in_everything_else() -> None:
    peer = Peer()
    counted = CountedProposer(peer, Caller("key", None, Meter(), lambda: 0.0))
    counted.won()
    assert peer.wins == 1
    assert (counted.node, counted.name, counted.address) == ("peer", "peer", "peer")
    assert (counted.models(), counted.offer("m")) == (peer.models(), peer.offer("m"))
