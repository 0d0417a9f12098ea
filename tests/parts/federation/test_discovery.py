"""Real zeroconf on loopback; other programs may be heard there, so tests look for names."""

import logging
import os
from dataclasses import replace

import pytest

from federation.advertisement import Advertisement, encode_txt, instance_name
from federation.discovery import Discovery
from federation.discovery_state import Pace
from federation.sightings import Sighting
from hardware.interfaces import LanAddress
from tests.federation.sightings import OURS
from tests.federation.storm import packet, send
from tests.waiting import until

LOOPBACK = (LanAddress("lo", 1, "127.0.0.1"),)
QUICK = Pace(retry_s=0.05, reopen_s=0.3)


class Listener:
    """A node that discovers; what it was told stands in `seen` and `gone`."""

    def __init__(self, *, pace: Pace = QUICK, host: str = "kitchen") -> None:
        self.said = Advertisement.of(os.urandom(8).hex(), OURS, port=17617)
        self.name = instance_name(host, self.said.node)
        self.seen: dict[str, Sighting] = {}
        self.times: dict[str, int] = {}
        self.gone: list[str] = []
        self.discovery = Discovery(
            self.name,
            self.said,
            LOOPBACK,
            on_sighting=self.sighted,
            on_gone=self.gone.append,
            pace=pace,
        )

    def sighted(self, sighting: Sighting) -> None:
        self.seen[sighting.name] = sighting
        self.times[sighting.name] = self.times.get(sighting.name, 0) + 1

    def heard(self, other: "Listener") -> Advertisement | None:
        return self.seen[other.name].advertisement if other.name in self.seen else None


async def test_two_nodes_of_one_host_name_find_each_other_and_not_themselves() -> None:
    one, two = Listener(), Listener()
    async with one.discovery, two.discovery:
        await until(lambda: one.heard(two) == two.said and two.heard(one) == one.said)
    assert one.name not in one.seen
    assert one.seen[two.name].addresses == ("127.0.0.1",)


async def test_what_a_node_says_anew_is_heard_and_so_is_what_it_said_before() -> None:
    one, two = Listener(), Listener()
    async with one.discovery, two.discovery:
        await until(lambda: one.heard(two) is not None)
        for port in (0, 17617, 0, 17617):
            said = replace(two.said, port=port, pairing=17618 if port == 0 else 0)
            await two.discovery.advertise(said)
            await until(lambda said=said: one.heard(two) == said)


async def test_a_node_that_ends_says_goodbye() -> None:
    one, two = Listener(), Listener()
    async with one.discovery:
        async with two.discovery:
            await until(lambda: one.heard(two) is not None)
        await until(lambda: two.name in one.gone)


async def test_a_node_that_comes_back_is_heard_again() -> None:
    one, two = Listener(), Listener()
    async with one.discovery:
        for _ in range(2):
            one.seen.clear()
            async with two.discovery:
                await until(lambda: one.heard(two) is not None)


async def test_a_node_without_addresses_waits_for_them_and_says_so() -> None:
    one, two = Listener(), Listener()
    async with one.discovery, two.discovery:
        await until(lambda: one.heard(two) is not None)
        await one.discovery.move(())
        assert not one.discovery.state().is_open
        assert one.discovery.state().last_error == "no address on a LAN"
        one.seen.clear()
        await one.discovery.move(LOOPBACK)
        await until(lambda: one.heard(two) is not None)
        opened = one.discovery.state().opened
        await one.discovery.move(LOOPBACK)
        assert one.discovery.state().opened == opened


async def test_an_address_that_cannot_be_used_is_told_once_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = Listener(), Listener()
    async with one.discovery, two.discovery:
        with caplog.at_level(logging.WARNING):
            await one.discovery.move((*LOOPBACK, LanAddress("eth7", 7, "10.255.255.1")))
            opened = one.discovery.state().opened
            await until(lambda: one.discovery.state().opened > opened + 4)
        error = "1 of 2 addresses cannot be used for multicast"
        assert one.discovery.state().last_error == error
        assert [error in record.message for record in caplog.records] == [True]
        one.seen.clear()
        await until(lambda: one.heard(two) is not None)
        await one.discovery.move(LOOPBACK)
        assert one.discovery.state().last_error is None


async def test_it_asks_again_so_that_nobody_stays_unheard() -> None:
    one, two = Listener(pace=replace(QUICK, ask_again_s=0.1)), Listener()
    async with one.discovery, two.discovery:
        await until(lambda: one.times.get(two.name, 0) >= 8)


async def test_its_own_announcement_comes_back() -> None:
    one = Listener()
    async with one.discovery:
        await until(lambda: one.discovery.state().heard_self_s is not None)


async def test_another_machine_that_is_heard_is_told_from_this_one() -> None:
    one, two = Listener(), Listener()
    async with one.discovery, two.discovery:
        await until(lambda: one.heard(two) is not None)
        assert one.discovery.state().heard_others_s is None
        zeroconf = _zeroconf(one)
        await send([packet(zeroconf, 1)])
        await until(lambda: one.discovery.state().heard_others_s is not None)


async def test_what_was_heard_on_another_network_is_forgotten_on_this_one() -> None:
    one = Listener()
    async with one.discovery:
        await until(lambda: one.discovery.state().heard_self_s is not None)
        await send([packet(_zeroconf(one), 1)])
        await until(lambda: one.discovery.state().heard_others_s is not None)
        await one.discovery.move(())
        state = one.discovery.state()
        assert (state.heard_self_s, state.heard_others_s) == (None, None)


@pytest.mark.parametrize("host", ["kitchen", "cellar"])
async def test_a_machine_with_this_nodes_id_is_a_copy_whatever_its_name(host: str) -> None:
    one = Listener()
    copy = instance_name(host, one.said.node)
    async with one.discovery:
        txt = encode_txt(one.said)
        await send([packet(_zeroconf(one), 1, txt=txt, name=copy)])
        await until(lambda: copy in one.seen)
    problem = one.seen[copy].problem or ""
    assert problem.startswith("it has this node's id: its folder was copied")
    assert "delete key.pem and federation.json" in problem
    assert one.seen[copy].advertisement is None


async def test_nonsense_is_handed_on_as_such(caplog: pytest.LogCaptureFixture) -> None:
    one = Listener()
    async with one.discovery:
        zeroconf = _zeroconf(one)
        await send([packet(zeroconf, 7, txt={b"v": b"9"}), b"\x00" * 40, os.urandom(1000)])
        await until(lambda: any(s.problem for s in one.seen.values()))
    (seen,) = (s for s in one.seen.values() if s.name.startswith("storm-"))
    assert seen.advertisement is None
    assert seen.problem == "it speaks protocol 9, this node 1"
    assert caplog.records == []


async def test_a_mistake_in_the_callback_does_not_make_it_deaf(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two, three = Listener(), Listener(), Listener()
    one.seen = _Refusing(two.name)
    async with one.discovery, two.discovery:
        await until(lambda: "could not be taken in" in caplog.text)
        async with three.discovery:
            await until(lambda: one.heard(three) is not None)


async def test_a_storm_stays_bounded_and_leaves_no_deafness(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = Listener(pace=replace(QUICK, backlog=256)), Listener()
    async with one.discovery:
        zeroconf = _zeroconf(one)
        await send([packet(zeroconf, number) for number in range(5000)], pause_s=0.001)
        state = one.discovery.state()
        assert state.dropped > 0
        assert len(one.discovery._backlog) <= 256
        assert len(one.discovery._asking) <= 16
        async with two.discovery:
            await until(lambda: one.heard(two) == two.said)
        await until(lambda: not one.discovery.state().flooded)
        cache = _zeroconf(one).cache
        assert len(cache.names()) < 5000
    told = [record for record in caplog.records if "more names" in record.message]
    assert len(told) == 1


class _Refusing(dict[str, Sighting]):
    """A dictionary that breaks when it is given one name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __setitem__(self, name: str, sighting: Sighting) -> None:
        if name == self.name:
            raise RuntimeError("a mistake")
        super().__setitem__(name, sighting)


def _zeroconf(listener: Listener):
    assert listener.discovery._zeroconf is not None
    return listener.discovery._zeroconf.zeroconf
