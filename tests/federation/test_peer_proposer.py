"""A peer's news, as long as there is time for them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest

from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.peer_proposer import Asking, PeerProposer, in_time, proposers
from federation.peers import PeerTable
from federation.wire import ProposeBody, Status
from swarm.errors import PeerError, PeerLate, PeerTimedOut, PeerUnreachable
from swarm.proposer import Ended, Lost, Told
from swarm.types import Message, Question, SamplingParams
from tests.federation.sightings import OURS, STATUS, node_id

NEWS: list[Told] = [(0, Ended("stop", 1))]
LOST: list[Told] = [(1, Lost("it failed"))]


async def told(then: Callable[[], Awaitable[object]]) -> AsyncGenerator[list[Told]]:
    """One piece of news, and what comes then."""
    yield NEWS
    await then()


async def heard(news: AsyncGenerator[list[Told]], limit_s: float = 10) -> list[list[Told]]:
    return [step async for step in in_time(news, limit_s)]


async def nothing() -> None:
    """The peer is done."""


async def given_up() -> None:
    """What a closed session does to its look-ups."""
    looking_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    looking_up.cancel()
    await looking_up


async def test_news_in_time_are_handed_on() -> None:
    assert await heard(told(nothing)) == [NEWS]


async def test_a_peer_that_goes_on_for_ever_is_left() -> None:
    with pytest.raises(PeerLate, match="within"):
        await heard(told(asyncio.Event().wait), 0.01)


async def test_a_timeout_of_something_else_is_not_its_lateness() -> None:
    async def timed_out() -> None:
        raise TimeoutError("of something else")

    with pytest.raises(TimeoutError, match="of something else"):
        await heard(told(timed_out))


async def test_a_call_that_the_client_gave_up_is_an_error_and_no_silence() -> None:
    with pytest.raises(PeerUnreachable, match="code changed"):
        await heard(told(given_up))


async def test_a_request_that_is_cancelled_is_cancelled() -> None:
    asking = asyncio.create_task(heard(told(asyncio.Event().wait)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


QUESTION = Question("swarm", (Message("user", "hi"),), SamplingParams())
GOOD, DEAD = ("10.0.0.1", 17617), ("10.0.0.99", 17617)


class Line(PeerClient):
    """A client whose calls end as told: with `steps`, or with an error after a while."""

    def __init__(self, *ends: PeerError | None, seconds: float = 0.0) -> None:
        self.now_s = 0.0
        self.steps = [NEWS]
        self._ends, self._seconds = list(ends), seconds
        self.asked: list[str] = []
        self.remaining_s: list[float] = []

    async def propose(  # type: ignore[override]
        self, endpoint: PeerEndpoint, body: ProposeBody, *, most_bytes: int, moved: object
    ) -> AsyncGenerator[list[Told]]:
        del most_bytes, moved
        self.asked.append(endpoint.host)
        self.remaining_s.append(body.remaining_s)
        self.now_s += self._seconds
        if (end := self._ends.pop(0)) is not None:
            raise end
        for step in self.steps:
            yield step


def proposer(line: Line) -> PeerProposer:
    table = PeerTable[Status](node_id(0), OURS)
    table.add_static(*DEAD, 0.0)
    table.heard(GOOD, node_id(1), STATUS, 0.0)
    (peer,) = table.ready()
    return PeerProposer(peer, STATUS, "kitchen", Asking(table, line, lambda: line.now_s))


async def answers(line: Line, remaining_s: float = 5.0) -> list[list[Told]]:
    steps = proposer(line).propose(QUESTION, 1, remaining_s=remaining_s, live=False)
    return [step async for step in steps]


async def test_a_peer_has_all_the_time_that_the_request_has() -> None:
    line = Line(None)
    await answers(line, 3600.0)
    assert line.remaining_s == [3600.0]


@pytest.mark.parametrize(
    ("end", "blamed"), [(PeerLate("its time was over"), 0), (PeerTimedOut("it said nothing"), 1)]
)
async def test_only_silence_is_a_peers_fault(end: PeerError, blamed: int) -> None:
    table = PeerTable[Status](node_id(0), OURS)
    table.heard(GOOD, node_id(1), STATUS, 0.0)
    (asked,) = proposers(Asking(table, Line(end), lambda: 0.0))
    with pytest.raises(PeerTimedOut):
        [step async for step in asked.propose(QUESTION, 1, remaining_s=5.0, live=False)]
    (peer,) = table.ready()
    assert (peer.breaker.failures, peer.metrics.summary().failures) == (blamed, blamed)
    assert bool(peer.missed) is bool(blamed)


@pytest.mark.parametrize(
    ("workers", "said", "whole"),
    [
        (1, [NEWS], 1),
        (2, [NEWS], 0),
        (2, [LOST, NEWS], 1),
        (2, [NEWS, LOST], 1),
        (1, [LOST], 0),
    ],
)
async def test_a_peer_whose_workers_have_all_ended_has_answered_in_full(
    workers: int, said: list[list[Told]], whole: int
) -> None:
    table = PeerTable[Status](node_id(0), OURS)
    table.heard(GOOD, node_id(1), STATUS, 0.0)
    line = Line(None)
    line.steps = said
    (asked,) = proposers(Asking(table, line, lambda: 0.0))
    async with aclosing(asked.propose(QUESTION, workers, remaining_s=5.0, live=False)) as steps:
        for _ in said:
            await anext(steps)  # the last decides the vote, and no further one is waited for
    (peer,) = table.ready()
    assert peer.metrics.summary().successes == whole


async def test_a_connection_that_was_closed_meanwhile_costs_no_votes() -> None:
    line = Line(PeerUnreachable("it closed the connection"), None)
    assert await answers(line) == [NEWS]
    assert line.asked == [GOOD[0]] * 2


@pytest.mark.parametrize(("ends", "seconds"), [(1, 2.0), (2, 0.0)])
async def test_who_is_not_there_is_not_asked_for_long(ends: int, seconds: float) -> None:
    line = Line(*(PeerUnreachable("nobody there") for _ in range(ends)), seconds=seconds)
    with pytest.raises(PeerUnreachable):
        await answers(line)
    assert len(line.asked) == ends


async def test_a_ready_peer_is_asked_where_it_answered_whichever_address_is_probed_next() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    table.heard(GOOD, node_id(1), STATUS, 0.0)
    table.heard(node_id(1), node_id(1), STATUS, 0.1, came_from=DEAD)
    table.failed(node_id(1), "reachable", "no answer within 1 s", 0.2)
    (peer,) = table.ready()
    assert peer.address == DEAD
    assert peer.answers_at == GOOD


async def test_a_failed_probe_puts_the_address_last_that_was_probed() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    table.heard(GOOD, node_id(1), STATUS, 0.0)
    table.heard(node_id(1), node_id(1), STATUS, 0.1, came_from=DEAD)
    table.failed(node_id(1), "reachable", "no answer within 1 s", 0.2, at=DEAD)
    (peer,) = table.ready()
    assert peer.address == GOOD


def test_peers_of_one_name_are_shown_apart_whether_or_not_both_are_there() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    for number in (1, 2):
        table.heard((f"10.0.0.{number}", 17617), node_id(number), STATUS, 0.0, name="laptop")
    asking = Asking(table, Line(), lambda: 0.0)
    apart = {node_id(at): f"laptop-{node_id(at)[:4]}" for at in (1, 2)}
    assert {peer.node: peer.name for peer in proposers(asking)} == apart
    for second in range(3):
        table.failed(node_id(2), "reachable", "off", float(second))
    assert [peer.name for peer in proposers(asking)] == [apart[node_id(1)]]


def test_a_peer_has_the_name_that_tells_it_from_others_also_where_there_are_none() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    table.heard(GOOD, node_id(1), STATUS, 0.0, name="laptop")
    (peer,) = proposers(Asking(table, Line(), lambda: 0.0))
    assert (peer.name, peer.names) == ("laptop", (f"laptop-{node_id(1)[:4]}", "laptop"))
