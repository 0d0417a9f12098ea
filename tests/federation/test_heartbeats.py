"""Probes: who is asked, what is believed, what is told to the table."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from federation.client import Door, door_name
from federation.heartbeats import Heartbeats, failed_step
from federation.peer import Change
from federation.peers import PeerTable
from federation.wire import Status
from swarm.errors import (
    PeerError,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    ProtocolMismatch,
    UntrustedPeer,
)

OWN, OTHER = "a" * 64, "b" * 64


def status(node: str = OTHER) -> Status:
    return Status(
        version="1", node=node, name="kitchen", epoch=1, clock_s=0.0, port=17617, models=()
    )


@dataclass
class FakeCaller:
    """Answers as told; remembers at which door it was asked for whom."""

    answers: list[Status | PeerError]
    doors: list[Door] = field(default_factory=list[Door])

    async def heartbeat(self, door: Door, own: Status) -> Status:
        self.doors.append(door)
        answer = self.answers[min(len(self.doors), len(self.answers)) - 1]
        if isinstance(answer, PeerError):
            raise answer
        return answer


def beating(*answers: Status | PeerError) -> tuple[Heartbeats, PeerTable[Status], FakeCaller]:
    table = PeerTable[Status](OWN, "1" * 16)
    caller = FakeCaller(list(answers))
    changes: list[Change[Status]] = []
    beats = Heartbeats(
        table, caller, status=lambda: status(OWN), changed=changes.extend, clock=lambda: 1.0
    )
    return beats, table, caller


async def probed(*answers: Status | PeerError) -> tuple[PeerTable[Status], FakeCaller]:
    beats, table, caller = beating(*answers)
    table.add_static("10.0.0.2", 17617, 0.0)
    [peer] = table.due(1.0)
    await beats.probe(peer)
    return table, caller


async def test_a_peer_is_asked_again_under_the_id_that_it_names() -> None:
    table, caller = await probed(status(), status())
    assert [door.name for door in caller.doors] == [None, door_name(OTHER)]
    assert [peer.node_id for peer in table.ready()] == [OTHER]


async def test_who_does_not_prove_its_id_takes_no_part() -> None:
    table, _ = await probed(status(), UntrustedPeer("TLS failed"))
    assert table.ready() == ()
    [peer] = table.peers()
    assert peer.failing is not None
    assert peer.failing.step == "authenticated"


async def test_an_announced_peer_is_not_believed_to_be_another_one() -> None:
    """Its announcement holds the first digits of its id, under which no certificate is known."""
    beats, table, caller = beating(status("c" * 64), status("c" * 64))
    table.add_static("10.0.0.2", 17617, 0.0)
    [peer] = table.due(1.0)
    await beats.probe(replace(peer, node_id=OTHER[:16]))
    assert len(caller.doors) == 1
    assert table.ready() == ()
    [peer] = table.peers()
    assert peer.failing is not None
    assert (peer.failing.step, peer.failing.reason) == (
        "authenticated",
        "another node answers there: cccccccc",
    )


async def test_a_node_that_meets_itself_is_asked_once() -> None:
    _, caller = await probed(status(OWN))
    assert len(caller.doors) == 1


async def test_a_probe_that_breaks_is_seen(caplog: pytest.LogCaptureFixture) -> None:
    beats, table, caller = beating(status())
    caller.answers = []  # an index out of range, as a bug would raise
    table.add_static("10.0.0.2", 17617, 0.0)
    running = asyncio.create_task(beats.run())
    for _ in range(3):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "IndexError" in caplog.text


async def test_a_failure_is_told_with_its_step() -> None:
    table, _ = await probed(PeerUnreachable("no route"))
    [peer] = table.peers()
    assert (peer.failing and peer.failing.step, peer.failing and peer.failing.reason) == (
        "reachable",
        "no route",
    )


def test_every_failure_has_a_step() -> None:
    assert failed_step(PeerTimedOut("x")) == "reachable"
    assert failed_step(UntrustedPeer("x")) == "authenticated"
    assert failed_step(ProtocolMismatch("x")) == "ready"
    assert failed_step(PeerRefused("x")) == "ready"


async def test_who_is_due_is_asked_until_it_ends() -> None:
    beats, table, caller = beating(status(), status())
    table.add_static("10.0.0.2", 17617, 0.0)
    running = asyncio.create_task(beats.run())
    async with asyncio.timeout(5):
        while not table.ready():  # noqa: ASYNC110 - the table has no event for it
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(caller.doors) == 2
