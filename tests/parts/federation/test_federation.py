"""Whole members on loopback, told of each other without a network: who ends where."""

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from federation import federation as federation_module
from federation import strangers, trust
from federation.advertisement import Advertisement
from federation.federation import Federation
from federation.sharing import Shelf
from federation.sightings import Sighting
from federation.store import Membership, Store
from federation.trust import federation_id, new_secret
from federation.wishes import Wishes
from swarm.errors import PeerRefused
from swarm.proposer import Offer, Told
from swarm.types import Question
from tests.federation.disk import no_room_on_disk
from tests.ports import free_port
from tests.waiting import until

DELAY_S = 0.05


class Air:
    """What carries announcements: each hears all others a moment later."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    def tell(self, teller: "Heard") -> None:
        said = teller.advertisement
        hosts = tuple(address.host for address in teller.addresses)
        sighting = Sighting(teller.name, hosts, said.port or said.pairing, said)
        for other in self.heard:
            if other is not teller:
                asyncio.get_running_loop().call_later(DELAY_S, self._carry, other, sighting)

    def _carry(self, other: "Heard", sighting: Sighting) -> None:
        if other in self.heard:
            other.on_sighting(sighting)


class Heard:
    """Stands for mDNS."""

    def __init__(
        self,
        air: Air,
        name: str,
        advertisement: Advertisement,
        addresses: Any,
        *,
        on_sighting: Callable[[Sighting], None],
        on_gone: Callable[[str], None],
    ) -> None:
        del on_gone
        self.air, self.name, self.advertisement = air, name, advertisement
        self.addresses, self.on_sighting = addresses, on_sighting

    async def __aenter__(self) -> Self:
        self.air.heard.append(self)
        for each in self.air.heard:
            self.air.tell(each)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.air.heard.remove(self)

    async def advertise(self, advertisement: Advertisement) -> None:
        self.advertisement = advertisement
        self.air.tell(self)


class Answers:
    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        yield []


Start = Callable[..., Awaitable[Federation]]


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Members by their names, each with what it wishes."""
    air, ports = Air(), itertools.count()
    monkeypatch.setattr(
        federation_module, "Discovery", lambda *args, **options: Heard(air, *args, **options)
    )
    async with contextlib.AsyncExitStack() as stack:

        async def started(
            name: str, say: Callable[[str], None] = lambda _: None, **wishes: Any
        ) -> Federation:
            folder = tmp_path / f"{next(ports)}-{name}"
            port = free_port()
            wishes = {"interfaces": ("lo",), **wishes}
            wished = Wishes(folder=folder, name=name, version="1", port=port, **wishes)
            offer = Offer("m", 3, 64, 64, default=True)
            node = Federation(
                wished,
                offers=lambda: (offer,),
                answers=Answers(),
                shelf=Shelf(dict),
                say=say,
            )
            return await stack.enter_async_context(node)

        yield started


def together(*nodes: Federation) -> bool:
    return all(len(node.table.ready()) == len(nodes) - 1 for node in nodes)


async def test_an_interface_that_is_not_there_is_warned_of(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    node = await start("one", interfaces=("nope0",))
    assert (node.addresses, node.pairing_port) == ((), 0)
    [said] = [each.message for each in caplog.records if "nope0" in each.message]
    assert said.startswith("--peer-interface nope0: there is none")


async def test_a_member_that_left_takes_nobody_out_of_the_federation(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "MOVING_S", 0.0)
    secret = new_secret()
    one, other, leaving = [await start(name, join=secret) for name in ("one", "other", "leaving")]
    await until(lambda: together(one, other, leaving))
    await leaving.leave()
    await until(lambda: not any("leaving" in peer.name for peer in one.table.ready()))
    await asyncio.sleep(3 * DELAY_S)
    for node in (one, other):  # as after a moment without network
        for peer in node.table.ready():
            for _ in range(3):
                node.table.failed(peer.key, "reachable", "no route", 0.0)
    assert not one.alone
    assert not other.alone
    await until(lambda: together(one, other))


async def test_a_renewal_whose_caller_leaves_is_done_whole(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    one, other = [await start(name, join=secret) for name in ("one", "other")]
    await until(lambda: together(one, other))
    ending = asyncio.Event()
    as_it_was = Federation._end_era

    async def told(node: Federation) -> None:
        if node is one:
            ending.set()
            await asyncio.sleep(0)
        await as_it_was(node)

    monkeypatch.setattr(Federation, "_end_era", told)
    renewing = asyncio.create_task(one.renew())
    await ending.wait()
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing
    await until(lambda: together(one, other) and one.federation_id == other.federation_id)


async def test_who_was_approved_shows_no_pin_again(start: Start) -> None:
    one, other = await start("one"), await start("other")
    await until(lambda: bool(one._strangers.pairing() and other._strangers.pairing()))
    doors: list[int] = []
    opened = Federation._advertise

    async def noted(node: Federation) -> None:
        if node is other:
            doors.append(node.pairing_port)
        await opened(node)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Federation, "_advertise", noted)
        await one.approve(other._pin.shown(other._clock()).replace(" ", ""))
        await until(lambda: together(one, other))
        await asyncio.sleep(0.6)
    assert doors == [0]


async def test_who_cannot_say_that_it_has_joined_has_joined(start: Start) -> None:
    said = asyncio.Event()

    def to_nobody(text: str) -> None:
        if text.startswith("joined"):
            said.set()
            raise BrokenPipeError

    one, other = await start("one"), await start("other", say=to_nobody)
    await until(lambda: bool(one._strangers.pairing() and other._strangers.pairing()))
    await one.approve(other._pin.shown(other._clock()).replace(" ", ""))
    await asyncio.wait_for(said.wait(), 15)
    await until(lambda: together(one, other))


async def test_a_member_that_is_off_is_remembered_until_it_is_put_out(
    start: Start, tmp_path: Path
) -> None:
    off = "a" * 64
    store = await asyncio.to_thread(Store, tmp_path / "0-one")
    await asyncio.to_thread(store.save, Membership(new_secret(), (off,)))
    one = await start("one")
    before = one.federation_id
    assert one.members == (off,)
    await one.renew(without=off)
    assert one.members == ()
    assert one.federation_id != before


@pytest.mark.parametrize("tries", range(3))
async def test_of_two_renewals_at_once_one_is_made(start: Start, tries: int) -> None:
    secret = new_secret()
    nodes = [await start(name, join=secret) for name in ("one", "other", "third")]
    await until(lambda: together(*nodes))
    made = await asyncio.gather(*(node.renew() for node in nodes), return_exceptions=True)
    assert made.count(()) == 1
    assert [end.status for end in made if isinstance(end, PeerRefused)] == [409, 409]
    await until(lambda: together(*nodes))
    assert len({node.federation_id for node in nodes} - {federation_id(secret)}) == 1


async def test_a_removal_wins_also_where_the_disk_is_full(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(federation_module, "WATCH_S", 0.0)
    caplog.set_level(logging.INFO)
    secret = new_secret()
    one, other, removed = [await start(name, join=secret) for name in ("one", "other", "removed")]
    await until(lambda: together(one, other, removed))
    with no_room_on_disk():
        await one.renew(without=removed.node_id)
        await until(lambda: together(one, other) and one.federation_id == other.federation_id)
        assert other.federation_id != federation_id(secret)
        assert "File too large; after a restart this node may need a PIN" in (other.trouble or "")
    folder = other.wishes.folder
    await until(lambda: other.trouble is None)
    stored = await asyncio.to_thread(lambda: Store(folder).load())
    assert stored is not None
    assert federation_id(stored.secret) == other.federation_id
    assert caplog.text.count(f"cannot be remembered in {folder}") == 1
    assert f"is remembered in {folder} now" in caplog.text
    await other.renew()
    await until(lambda: together(one, other))


async def test_a_member_starts_also_where_the_disk_is_full(start: Start, tmp_path: Path) -> None:
    folder, membership = tmp_path / "1-other", Membership(new_secret(), ("a" * 64,))
    await asyncio.to_thread(lambda: Store(folder).save(membership))
    await asyncio.to_thread(lambda: Store(folder).key())
    one = await start("one", join=membership.secret)
    with no_room_on_disk():
        other = await start("other")
        await until(lambda: together(one, other))
    assert other.members[0] == "a" * 64


async def test_a_machine_is_approved_also_where_both_disks_are_full(start: Start) -> None:
    one, other = await start("one"), await start("other")
    await until(lambda: bool(one._strangers.pairing() and other._strangers.pairing()))
    with no_room_on_disk():
        await one.approve(other._pin.shown(other._clock()).replace(" ", ""))
        await until(lambda: together(one, other))
    for node in (one, other):
        assert str(node.wishes.folder) in (node.trouble or "")


async def test_a_node_that_cannot_prove_itself_says_why_and_tries_again(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where a certificate needs room on the disk."""
    monkeypatch.setattr(trust, "_OPEN_FILES", tmp_path / "fd")
    secret = new_secret()
    one, other = [await start(name, join=secret) for name in ("one", "other")]
    await until(lambda: together(one, other))
    with no_room_on_disk():
        await one.renew()
        await until(lambda: one.federation_id == other.federation_id)
        await until(lambda: "cannot prove" in (one.trouble or ""))
    await until(lambda: together(one, other) and one.trouble is None)


async def test_members_find_each_other_after_a_renewal_without_being_announced(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = new_secret()
    one, other = [await start(name, join=secret) for name in ("one", "other")]
    await until(lambda: together(one, other))
    monkeypatch.setattr(Air, "tell", lambda *_: None)
    assert await one.renew() == ()
    await until(lambda: together(one, other) and one.federation_id == other.federation_id)
    await other.leave()
    assert not other.table.peers()
