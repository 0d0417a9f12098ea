"""A prompt too long for a peer, a peer without a place: whose fault it is, and what is told."""

import contextlib
from collections.abc import AsyncGenerator

import pytest

from federation.peer_proposer import Asking, PeerProposer
from federation.peers import PeerTable
from federation.refusals import as_refusal, own_words
from federation.trust import federation_id
from federation.wire import Status
from swarm.errors import (
    ContextOverflow,
    FixedOverflow,
    Overloaded,
    PeerRefused,
    PeerUnreachable,
    SwarmError,
)
from tests.federation.sides import QUESTION, SECRET, Side, calling, listening


@contextlib.asynccontextmanager
async def asked(here: Side, there: Side) -> AsyncGenerator[PeerProposer]:
    """The other side as `here` asks it."""
    table = PeerTable[Status](here.key.node_id, federation_id(SECRET))
    async with listening(there), calling(here) as client:
        told = there.status()
        table.heard(("127.0.0.1", there.port), there.key.node_id, told, 0.0)
        (peer,) = table.ready()
        yield PeerProposer(peer, told, "kitchen", Asking(table, client))


@pytest.mark.parametrize("late", [False, True])
async def test_a_prompt_that_overflows_a_peer_is_the_requests_fault_and_not_the_peers(
    here: Side, there: Side, late: bool
) -> None:
    error = ContextOverflow(5000, 4096)
    there.workers.error, there.workers.fail_at_end = (None, error) if late else (error, None)
    async with asked(here, there) as peer:
        for _ in range(4):  # nor is the peer left out for it
            with pytest.raises(ContextOverflow) as caught:
                async for _ in peer.propose(QUESTION, 2, remaining_s=5, live=False):
                    pass
            assert (caught.value.prompt_tokens, caught.value.context_tokens) == (5000, 4096)


@pytest.mark.parametrize(
    "error",
    [
        PeerUnreachable("its context of 4096 tokens is too short for 5000"),
        PeerRefused("its context of 4096 tokens is too short for 5000", status=503),
        PeerRefused("its context is too short for 40000000 bytes", status=413),
    ],
)
def test_no_other_error_tells_of_an_overflow(error: SwarmError) -> None:
    assert own_words(error) is None


async def test_a_peer_that_is_busy_says_so_and_is_asked_again(here: Side, there: Side) -> None:
    there.workers.error = Overloaded("the queue is full")
    async with asked(here, there) as peer:
        for _ in range(4):
            with pytest.raises(Overloaded, match="the queue is full"):
                async for _ in peer.propose(QUESTION, 2, remaining_s=5, live=False):
                    pass


@pytest.mark.parametrize("kind", [ContextOverflow, FixedOverflow])
def test_an_overflow_is_read_as_it_was_told(kind: type[ContextOverflow]) -> None:
    status, why = as_refusal(kind(5000, 4096))
    told = own_words(PeerRefused(why, status=status))
    assert isinstance(told, ContextOverflow)
    assert type(told) is kind
    assert (told.prompt_tokens, told.context_tokens) == (5000, 4096)
