"""Those that live by an old code: who is told, where, and how often."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any, Self

import pytest

import federation.stragglers
from federation.advertisement import Advertisement
from federation.endpoint import PeerEndpoint
from federation.sightings import Sighting
from federation.stragglers import Stragglers
from federation.trust import federation_id
from swarm.errors import PeerUnreachable

OLD = bytes(16)
OVER = federation_id(OLD)
ATTIC = Sighting("attic", ("10.0.0.2", "10.0.0.3"), 0, Advertisement("1", "a" * 16, OVER, 7, 0))


class Told:
    """A house in which time goes by only while somebody sleeps; nobody is at the doors `shut`."""

    def __init__(self, shut: Collection[str] = ()) -> None:
        self.shut = shut
        self.now_s = 100.0
        self.endpoints: list[tuple[float, PeerEndpoint, str]] = []

    def __call__(self, *contexts: Any) -> Self:
        assert contexts == ("plain", "named")
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def tell_over(self, endpoint: PeerEndpoint, federation: str) -> None:
        self.endpoints.append((self.now_s, endpoint, federation))
        if endpoint.host in self.shut:
            raise PeerUnreachable(f"nobody at {endpoint.host}")

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)

    @property
    def told(self) -> list[tuple[float, str]]:
        """When, counted from the beginning, and where."""
        return [(at - 100.0, endpoint.host) for at, endpoint, _ in self.endpoints]


class Ended(Exception):
    """There is nothing more to see."""


async def tells(
    monkeypatch: pytest.MonkeyPatch, house: Told, met: Callable[[float], Sequence[Sighting]]
) -> None:
    """Looks until half a minute is over; `met` says who is seen, by seconds from the beginning."""
    clock = SimpleNamespace(time=lambda: house.now_s)
    faked = SimpleNamespace(
        sleep=house.sleep,
        gather=asyncio.gather,
        to_thread=asyncio.to_thread,
        get_running_loop=lambda: clock,
    )
    monkeypatch.setattr(federation.stragglers, "asyncio", faked)
    monkeypatch.setattr(federation.stragglers, "PeerClient", house)

    def seen(federations: Collection[str]) -> Sequence[Sighting]:
        assert set(federations) == {OVER}
        if house.now_s >= 135.0:
            raise Ended
        return met(house.now_s - 100.0)

    def context(*, named: bool = False) -> str:
        return "named" if named else "plain"

    past: Any = SimpleNamespace(secret=OLD, client_context=context)
    with pytest.raises(Ended):
        await Stragglers([past], seen).run()


async def test_who_is_left_behind_is_told_once_it_is_settled_and_again_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house = Told()
    await tells(monkeypatch, house, lambda _: [ATTIC])
    assert house.told == [(11.0, "10.0.0.2"), (21.0, "10.0.0.2"), (31.0, "10.0.0.2")]
    assert {(endpoint.port, over) for _, endpoint, over in house.endpoints} == {(7, OVER)}
    assert "attic still lived by an old code; it shows a PIN now" in caplog.text


async def test_another_address_is_tried_only_where_one_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house = Told(shut=["10.0.0.2"])
    await tells(monkeypatch, house, lambda at_s: [ATTIC] if at_s < 20 else [])
    assert house.told == [(11.0, "10.0.0.2"), (11.0, "10.0.0.3")]
    assert "cannot be told" not in caplog.text
    assert caplog.text.count("it shows a PIN now") == 1


async def test_that_somebody_cannot_be_told_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house = Told(shut=ATTIC.addresses)
    await tells(monkeypatch, house, lambda _: [ATTIC])
    assert len(house.told) == 6
    assert caplog.text.count("attic lives by an old code and cannot be told: nobody at") == 1
    assert "it shows a PIN now" not in caplog.text


async def test_who_was_away_and_comes_back_is_told_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = Told()
    await tells(monkeypatch, house, lambda at_s: [] if at_s == 14.0 else [ATTIC])
    assert [at for at, _ in house.told] == [11.0, 15.0, 25.0]


async def test_who_never_changed_its_code_looks_for_nobody() -> None:
    def seen(_: Collection[str]) -> Sequence[Sighting]:
        raise Ended

    async with asyncio.timeout(1):
        await Stragglers([], seen, settled_s=0).run()
