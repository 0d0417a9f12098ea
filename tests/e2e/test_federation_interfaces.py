"""A federation on hosts with other networks than one IPv4 LAN: IPv6 alone, two LANs, a VPN."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from federation.trust import encode_code, new_secret
from tests.e2e.hosts import Host, Network, network
from tests.e2e.house import (
    PEER_PORT,
    READY_S,
    approve,
    ask,
    diagnostics,
    one_federation,
    peers,
    ready,
    start_member,
    taking_part,
    voters,
    wait_together,
)
from tests.e2e.test_federation_joining import doors, lan_doors

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.needs("nftables")]

BOTH = {"here": 3, "host2": 3}


def wire(one: Host, other: Host, name: str, subnet: str) -> None:
    """A cable of its own between two hosts, an interface of that name at either end."""
    end = f"{name} netns {other.namespace.name}"
    one.ip(f"link add {name} type veth peer name {end}")
    for at, host in enumerate((one, other), 1):
        host.ip(f"addr add {subnet}.{at}/24 brd + dev {name}", f"link set {name} up")


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Network]:
    with network(2, tmp_path) as lan:
        yield lan


def is_asked_at(host: Host, name: str, address: str) -> bool:
    peer = peers(host)[name]
    return peer["state"] == "ready" and peer["addresses"][0].split()[0] == address


def test_hosts_with_nothing_but_ipv6_join_by_a_pin_and_vote(lan: Network) -> None:
    for host in lan.hosts:
        host.ip(f"addr del {host.ipv4}/24 dev lan0")
    lan.start_nodes()
    one, other = lan.hosts
    assert [seen for seen in doors(one) if "." in seen[0]] == []
    approve(one, other)
    wait_together(lan.hosts)
    assert voters(ask(one)) == BOTH
    assert voters(ask(other)) == {"here": 3, "host1": 3}
    assert other.node.end() == 0
    other.start_node()
    wait_together(lan.hosts)


def test_a_second_lan_takes_over_when_the_first_one_is_cut(lan: Network) -> None:
    one, other = lan.hosts
    wire(one, other, "eth1", "192.168.50")
    one_federation(lan.hosts)
    for at, host in enumerate(lan.hosts, 1):
        host.node.wait_until(partial(lives_on, host, ["eth1", "lan0"]), READY_S)
        assert (f"192.168.50.{at}", PEER_PORT) in doors(host)
        assert lan_doors(host, PEER_PORT) <= doors(host)
    other.cut()
    one.node.wait_until(lambda: not is_on_lan0(one), READY_S)
    other.node.wait_until(lambda: not is_on_lan0(other), READY_S)
    wait_together(lan.hosts)
    assert voters(ask(one)) == BOTH
    lan.heal()
    for host in lan.hosts:
        host.ip("link set eth1 down")
    one.node.wait_until(lambda: is_on_lan0(one), READY_S)
    other.node.wait_until(lambda: is_on_lan0(other), READY_S)
    wait_together(lan.hosts)
    assert voters(ask(one)) == BOTH


def lives_on(host: Host, interfaces: list[str]) -> bool:
    """Whether it uses these; a cable takes a moment to be up."""
    return diagnostics(host)["node"]["interfaces"] == interfaces


def is_on_lan0(host: Host) -> bool:
    """Whether the one peer is asked over the first cable."""
    [peer] = peers(host).values()
    at = peer["addresses"][0].split()[0]
    return at.startswith("10.77.") or at.endswith(f"%{lan0_index(host)}")


def lan0_index(host: Host) -> str:
    return host.run("cat", "/sys/class/net/lan0/ifindex").stdout.strip()


def test_a_vpn_is_not_used_unless_it_is_named(lan: Network) -> None:
    one, other = lan.hosts
    name = "wg0"
    wire(one, other, name, "10.99.0")
    code = encode_code(new_secret())
    start_member(one, code)
    start_member(other, code)
    wait_together(lan.hosts)
    for host in lan.hosts:
        assert diagnostics(host)["node"]["interfaces"] == ["lan0"]
        assert doors(host) == lan_doors(host, PEER_PORT)
    other.cut()
    one.node.wait_until(lambda: ready(one) == set(), READY_S)
    assert voters(ask(one)) == {"here": 3}
    for host in lan.hosts:
        assert host.node.end() == 0
        host.start_node("--peer-interface", name, wait=False)
    wait_together(lan.hosts)
    assert {at if "." in at else at.partition("%")[2] for at, _ in doors(one)} == {
        "10.99.0.1",
        name,
    }
    assert voters(ask(one)) == BOTH


def test_a_vpn_without_multicast_needs_a_name_on_one_side(lan: Network) -> None:
    one, other = lan.hosts
    wire(one, other, "tun0", "10.99.0")
    code = encode_code(new_secret())
    for host in lan.hosts:
        host.down()
        host.ip("link set tun0 multicast off")
    start_member(one, code, "--peer-interface", "tun0")
    start_member(other, code, "--peer-interface", "tun0", "--peer", "10.99.0.1")
    wait_together(lan.hosts)
    assert is_asked_at(one, "host2", "10.99.0.2")
    assert voters(ask(one)) == BOTH
    assert taking_part(other) == {"host1"}
