"""Which error is told where nobody answers."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from swarm.arrivals import Heard
from swarm.chat.completion import Text
from swarm.collect import Poll, Rules, collect
from swarm.consensus.tally import Voter
from swarm.errors import ContextOverflow, FixedOverflow, Overloaded, PeerUnreachable, SwarmError
from swarm.lead import led
from swarm.proposer import Began, Said

TOO_LONG, NOT_THERE = ContextOverflow(9, 8), PeerUnreachable("nobody there")
BUSY = Overloaded("the queue is full")
FIXED = FixedOverflow(9, 4)
"""Of a node that reads less than another, which only the conversation overflows."""


async def refused(error: SwarmError, after: int) -> AsyncGenerator[list[Heard]]:
    """A proposer that fails after that many turns of the loop."""
    for _ in range(after):
        await asyncio.sleep(0)
    for _ in ():
        yield []
    raise error


ORDER = [(TOO_LONG, NOT_THERE), (TOO_LONG, BUSY), (BUSY, NOT_THERE), (TOO_LONG, FIXED)]
ORDER += [(BUSY, FIXED), (NOT_THERE, FIXED)]


@pytest.mark.parametrize("with_leader", [False, True])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("errors", ORDER)
async def test_the_requests_own_fault_is_told_first_then_that_a_place_will_be_free(
    errors: tuple[SwarmError, ...], turned: bool, with_leader: bool
) -> None:
    told, errors = errors[0], errors[::-1] if turned else errors
    names = ("0", "1")
    poll = Poll([Voter(name) for name in names], Rules("s"), call_id=str)
    proposals = {
        name: refused(error, 5 * at)
        for at, (name, error) in enumerate(zip(names, errors, strict=True))
    }
    clock = asyncio.get_running_loop().time
    course = (
        led(poll, proposals, clock=clock)
        if with_leader
        else collect(poll, list(proposals.values()), [[name] for name in names], clock=clock)
    )
    with pytest.raises(type(told)) as caught:
        async for _ in course:
            pass
    assert caught.value is told


async def begun_and_broken(error: SwarmError) -> AsyncGenerator[list[Heard]]:
    """A proposer that fails in the middle of its answer."""
    for _ in range(5):
        await asyncio.sleep(0)
    yield [("1", Began(4, 0)), ("1", Said((Text("An answer"),), 2))]
    raise error


async def test_a_leaders_own_error_is_told_whatever_others_had_against_the_request() -> None:
    poll = Poll([Voter("0"), Voter("1")], Rules("s"), call_id=str)
    proposals = {"0": refused(TOO_LONG, 0), "1": begun_and_broken(NOT_THERE)}
    with pytest.raises(PeerUnreachable):
        async for _ in led(poll, proposals, clock=asyncio.get_running_loop().time):
            pass
