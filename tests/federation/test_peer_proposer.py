"""A peer's news, as long as there is time for them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from federation.peer_proposer import in_time
from swarm.errors import PeerTimedOut, PeerUnreachable
from swarm.proposer import Ended, Told

NEWS: list[Told] = [(0, Ended("stop", 1))]


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
    with pytest.raises(PeerTimedOut, match="within"):
        await heard(told(asyncio.Event().wait), 0.01)


async def test_a_call_that_the_client_gave_up_is_an_error_and_no_silence() -> None:
    with pytest.raises(PeerUnreachable, match="code changed"):
        await heard(told(given_up))


async def test_a_request_that_is_cancelled_is_cancelled() -> None:
    asking = asyncio.create_task(heard(told(asyncio.Event().wait)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
