"""Who does not belong gets nothing: no prompt, no answer, and little attention."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import zeroconf

from federation.advertisement import Advertisement, encode_txt, instance_name
from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.mdns import SERVICE
from federation.peers import TABLE_SIZE
from federation.trust import NodeKey, decode_code, new_secret
from federation.wire import Status
from swarm.errors import PeerError
from tests.e2e.fake_peer import hello
from tests.e2e.hosts import Host, Network, network
from tests.e2e.house import (
    PEER_PORT,
    READY_S,
    ask,
    diagnostics,
    one_federation,
    peers,
    ready,
    voters,
    wait_together,
)
from tests.e2e.rogue import announced, careless, notebook, stranger
from tests.federation.sightings import node_id

pytestmark = pytest.mark.needs("namespaces")

MARK = "the dog is called Balthasar"
REQUESTS = 1000
STORM = 5000
MEMBERS = {"here": 3, "host2": 3}


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Two machines that are one federation, and a third where strangers stand."""
    with network(3, tmp_path_factory.mktemp("lan")) as lan:
        one_federation(lan.hosts[:2])
        yield lan


def federation_of(host: Host) -> str:
    return diagnostics(host)["federation"]["id"]


def own_id(host: Host) -> str:
    return diagnostics(host)["node"]["id"]


def ask_many(host: Host, count: int) -> list[Any]:
    """Questions that carry the mark, several at a time."""
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda at: ask(host, f"{MARK}. What is {at} + 1?"), range(count)))


def test_a_rogue_without_the_code_gets_no_byte_of_the_prompts_of_1000_requests(
    lan: Network, tmp_path: Path
) -> None:
    one, _, third = lan.hosts
    credentials = stranger(tmp_path / "rogue", new_secret())
    other_key = NodeKey.load_or_make(tmp_path / "rogue" / "other.pem")
    federation = federation_of(one)
    with (
        notebook(third, PEER_PORT, careless(credentials)) as trusting,
        notebook(third, PEER_PORT + 1, None) as plain,
        announced(third, credentials.key, federation, PEER_PORT),
        announced(third, other_key, federation, PEER_PORT + 1),
    ):
        one.node.wait_until(lambda: trusting.connections and plain.connections, READY_S)
        votes = [voters(answer) for answer in ask_many(one, REQUESTS)]
        assert {vote["here"] for vote in votes} == {3}
        assert set().union(*votes) == {"here", "host2"}
        # A draw or a moment without processor costs a member a vote, and gains a rogue none.
        assert votes.count(MEMBERS) > 0.9 * REQUESTS
        states = {peer["state"] for name, peer in peers(one).items() if name == "rogue"}
        assert states <= {"seen", "reachable"}
    assert bytes(trusting.told) == b""
    assert len(plain.raw) > 0
    assert MARK.encode() not in plain.raw


def called(host: Host, folder: Path, secret: bytes, at: Host) -> str:
    """What the peer door of `at` tells somebody with that secret who says hello."""
    credentials = stranger(folder, secret)
    status = Status(
        version="1",
        node=credentials.key.node_id,
        name="rogue",
        epoch=1,
        clock_s=time.time(),
        port=PEER_PORT,
        models=(),
    )
    endpoint = PeerEndpoint.of((at.ipv4, PEER_PORT), own_id(at))

    async def call() -> str:
        contexts = credentials.client_context(), credentials.client_context(named=True)
        async with PeerClient(*contexts) as client:
            try:
                await hello(client, endpoint, status)
            except PeerError as error:
                return type(error).__name__
        return "welcome"

    with host.inside():
        return asyncio.run(call())


def test_a_rogue_without_the_code_is_told_nothing_at_the_peer_door(
    lan: Network, tmp_path: Path
) -> None:
    one, _, third = lan.hosts
    assert called(third, tmp_path / "rogue", new_secret(), one) == "UntrustedPeer"
    rogue = stranger(tmp_path / "rogue", new_secret()).key.node_id
    assert rogue not in {peer["node"] for peer in peers(one).values()}


def test_a_rogue_with_an_old_code_is_a_stranger_after_the_code_changed(tmp_path: Path) -> None:
    with network(3, tmp_path) as lan:
        one, other, third = lan.hosts
        one_federation(lan.hosts[:2])
        old = decode_code(one.main("--show-code").stdout.split()[-1])
        assert called(third, tmp_path / "rogue", old, one) == "welcome"
        assert one.main("--new-code").returncode == 0
        one.node.wait_until(lambda: "host2" in ready(one), READY_S)
        wait_together([one, other])
        assert called(third, tmp_path / "rogue", old, one) == "UntrustedPeer"
        assert called(third, tmp_path / "rogue", old, other) == "UntrustedPeer"
        credentials = stranger(tmp_path / "rogue", old)
        with (
            notebook(third, PEER_PORT, careless(credentials)) as trusting,
            announced(third, credentials.key, federation_of(one), PEER_PORT),
        ):
            one.node.wait_until(lambda: trusting.connections, READY_S)
            answers = ask_many(one, 20)
        assert all(voters(answer) == MEMBERS for answer in answers)
        assert bytes(trusting.told) == b""


def packets(federation: str, host: Host) -> list[bytes]:
    """Announcements of machines that are not there, of the federation."""
    with host.inside():
        speaking = zeroconf.Zeroconf(interfaces=[host.ipv4])
    told: list[bytes] = []
    with speaking:
        for number in range(STORM):
            node = node_id(number)
            name = instance_name("storm", node)
            said = Advertisement.of(node, federation, port=PEER_PORT)
            info = zeroconf.ServiceInfo(
                SERVICE,
                f"{name}.{SERVICE}",
                port=PEER_PORT,
                properties=encode_txt(said),
                server=f"{name}.local.",
                addresses=[socket.inet_aton(f"10.77.{number // 200 + 2}.{number % 200 + 1}")],
            )
            told += speaking.generate_service_broadcast(info, None).packets()
    return told


def test_a_storm_of_5000_announcements_costs_no_request_and_no_peer(tmp_path: Path) -> None:
    with network(3, tmp_path) as lan:
        one, _, third = lan.hosts
        one_federation(lan.hosts[:2])
        node = psutil.Process(one.node.process.pid)
        storm = packets(federation_of(one), third)
        before = node.memory_info().rss
        with ThreadPoolExecutor(1) as threads, third.socket(kind=socket.SOCK_DGRAM) as telling:
            telling.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            asked = threads.submit(ask_many, one, 30)
            for at, packet in enumerate(storm):
                telling.sendto(packet, ("224.0.0.251", 5353))
                if at % 50 == 0:
                    time.sleep(0.005)
            answers = asked.result()
        assert all(voters(answer)["here"] == 3 for answer in answers)
        one.node.wait_until(lambda: "host2" in ready(one), READY_S)
        assert voters(ask(one)) == MEMBERS
        known = json.loads(one.get("/v1/federation/peers")[1])["data"]
        assert 1 < len(known) <= TABLE_SIZE
        assert node.memory_info().rss - before < 100 << 20
        assert len(one.node.said().splitlines()) < 500


def test_two_machines_with_one_key_have_one_vote_and_are_told_of(tmp_path: Path) -> None:
    with network(3, tmp_path) as lan:
        one, other, copy = lan.hosts
        one_federation(lan.hosts[:2])
        copy.run("cp", "-a", str(other.state), str(copy.state))
        copy.start_node(wait=False)
        copy.node.wait_ready()
        one.node.wait_until(lambda: any(peer["duplicate"] for peer in peers(one).values()), READY_S)
        for _ in range(3):
            counted = voters(ask(one), "valid", "failed")
            assert counted["here"] == 3
            assert sum(counted.values()) <= 6
        known = [peer["node"] for peer in peers(one).values()]
        assert len(known) == len(set(known)) == 1
        assert one.node.said().count("answer with one node id") == 1
