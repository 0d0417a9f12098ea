"""Probes: who is asked, what is believed, what is told to the table."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from federation.certificates import certified_name
from federation.endpoint import PeerEndpoint
from federation.heartbeats import Caller, Heartbeats, failed_step
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
from tests.federation.sightings import OURS, node_id, sighting
from tests.waiting import until

OWN, OTHER = "a" * 64, "b" * 64


def status(node: str = OTHER) -> Status:
    return Status(
        version="1", node=node, name="kitchen", epoch=1, clock_s=0.0, port=17617, models=()
    )


@dataclass
class FakeCaller:
    """Answers as told; remembers at which endpoint it was asked for whom."""

    answers: list[Status | PeerError]
    endpoints: list[PeerEndpoint] = field(default_factory=list[PeerEndpoint])

    async def heartbeat(self, endpoint: PeerEndpoint, own: Status) -> Status:
        self.endpoints.append(endpoint)
        answer = self.answers[min(len(self.endpoints), len(self.answers)) - 1]
        if isinstance(answer, PeerError):
            raise answer
        return answer


class SilentCaller:
    """Never answers, and takes a while to give up; knows when it was asked, and its open call."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.is_open = False

    async def heartbeat(self, endpoint: PeerEndpoint, own: Status) -> Status:
        self.is_open = True
        self.asked.set()
        try:
            await asyncio.Event().wait()
            return own
        finally:
            for _ in range(9):
                await asyncio.sleep(0)
            self.is_open = False


def beats_of(
    table: PeerTable[Status],
    caller: Caller,
    changes: list[Change[Status]] | None = None,
    now_s: float = 1.0,
) -> Heartbeats:
    told: list[Change[Status]] = [] if changes is None else changes
    return Heartbeats(
        table, caller, status=lambda: status(OWN), changed=told.extend, clock=lambda: now_s
    )


def beating(
    *answers: Status | PeerError, changes: list[Change[Status]] | None = None
) -> tuple[Heartbeats, PeerTable[Status], FakeCaller]:
    table = PeerTable[Status](OWN, "1" * 16)
    caller = FakeCaller(list(answers))
    return beats_of(table, caller, changes), table, caller


async def probed(
    *answers: Status | PeerError, changes: list[Change[Status]] | None = None
) -> tuple[PeerTable[Status], FakeCaller]:
    beats, table, caller = beating(*answers, changes=changes)
    table.add_static("10.0.0.2", 17617, 0.0)
    [peer] = table.due(1.0)
    await beats.probe(peer)
    return table, caller


async def test_a_peer_is_asked_again_under_the_id_that_it_names() -> None:
    table, caller = await probed(status(), status())
    assert [endpoint.name for endpoint in caller.endpoints] == [None, certified_name(OTHER)]
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
    assert len(caller.endpoints) == 1
    assert table.ready() == ()
    [peer] = table.peers()
    assert peer.failing is not None
    assert (peer.failing.step, peer.failing.reason) == (
        "authenticated",
        "another node answers there: cccccccc",
    )


async def test_a_node_that_meets_itself_is_asked_once() -> None:
    _, caller = await probed(status(OWN))
    assert len(caller.endpoints) == 1


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


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [(status(), "joined", ""), (UntrustedPeer("not of ours"), "refused", "not of ours")],
)
async def test_what_a_probe_changed_is_told(
    answer: Status | PeerError, kind: str, reason: str
) -> None:
    changes: list[Change[Status]] = []
    await probed(answer, changes=changes)
    assert [(change.kind, change.reason) for change in changes] == [(kind, reason)]


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
    assert len(caller.endpoints) == 2


async def test_no_probe_goes_on_once_it_has_ended() -> None:
    table, caller = PeerTable[Status](OWN, "1" * 16), SilentCaller()
    table.add_static("10.0.0.2", 17617, 0.0)
    running = asyncio.create_task(beats_of(table, caller).run())
    async with asyncio.timeout(5):
        await caller.asked.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not caller.is_open


async def test_who_was_not_seen_for_long_is_forgotten() -> None:
    table, caller = PeerTable[Status](node_id(0), OURS), FakeCaller([PeerUnreachable("off")])
    table.sighted(sighting(1), 0.0)
    running = asyncio.create_task(beats_of(table, caller, now_s=1_000.0).run())
    await until(lambda: not len(table))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
