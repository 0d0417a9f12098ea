"""The ground of the federation's proofs: hosts that hear each other, faults, and no traces."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zeroconf

from tests.e2e.hosts import Host, Network, network
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("namespaces")

GROUP, MDNS_PORT = "224.0.0.251", 5353


@pytest.fixture(scope="module")
def shared_lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network(3, tmp_path_factory.mktemp("lan")) as lan:
        yield lan


@pytest.fixture
def lan(shared_lan: Network) -> Iterator[Network]:
    """Three hosts; a test may break cables, but stops no node."""
    yield shared_lan
    shared_lan.heal()


def listener(host: Host) -> socket.socket:
    """A socket of the mDNS group on the host's lan0."""
    heard = host.socket(kind=socket.SOCK_DGRAM)
    heard.bind(("", MDNS_PORT))
    member = socket.inet_aton(GROUP) + socket.inet_aton(host.ipv4)
    heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    heard.settimeout(15)
    return heard


def served(host: Host) -> socket.socket:
    with host.inside():
        return socket.create_server((host.ipv4, 0))


def connects(host: Host, server: socket.socket) -> bool:
    with host.socket(server.family) as asking:
        asking.settimeout(0.3)
        with contextlib.suppress(OSError):
            asking.connect(server.getsockname())
            return True
    return False


def reaches(one: Host, other: Host) -> bool:
    """Whether a connection from one host to the other comes about."""
    with served(other) as server:
        return connects(one, server)


def reaches_link_local(one: Host, other: Host) -> bool:
    with other.inside(), contextlib.suppress(OSError):
        address: Any = socket.getaddrinfo(other.ipv6, 0)[0][4]
        with socket.create_server(address, family=socket.AF_INET6) as server:
            return connects(one, server)
    return False


def connected(one: Host, other: Host) -> tuple[socket.socket, socket.socket]:
    with served(other) as server:
        asking = one.socket()
        asking.connect(server.getsockname())
        return asking, server.accept()[0]


def test_hosts_hear_multicast_at_once(tmp_path: Path) -> None:
    with network(3, tmp_path) as lan:
        first, *others = lan.hosts
        with contextlib.ExitStack() as stack:
            heard = [stack.enter_context(listener(host)) for host in others]
            telling = stack.enter_context(first.socket(kind=socket.SOCK_DGRAM))
            telling.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
            telling.sendto(b"here", (GROUP, MDNS_PORT))
            for ear in heard:
                assert ear.recvfrom(100) == (b"here", (first.ipv4, telling.getsockname()[1]))


def test_mdns_finds_what_another_host_announces(lan: Network) -> None:
    one, other, _ = lan.hosts
    name, address = "kitchen._ground._tcp.local.", [socket.inet_aton(one.ipv4)]
    service = zeroconf.ServiceInfo("_ground._tcp.local.", name, port=1, addresses=address)
    with one.inside():
        announcing = zeroconf.Zeroconf(interfaces=[one.ipv4])
    with other.inside():
        looking = zeroconf.Zeroconf(interfaces=[other.ipv4])
    with announcing, looking:
        announcing.register_service(service)
        found = looking.get_service_info(service.type, name, timeout=15_000)
        assert found is not None
        assert found.parsed_addresses() == [one.ipv4]


def test_hosts_reach_each_other_over_both_protocols(lan: Network) -> None:
    one, other, _ = lan.hosts
    assert reaches(one, other)
    assert reaches_link_local(one, other)


def test_a_host_has_a_name_a_loopback_and_one_interface(lan: Network) -> None:
    host = lan.hosts[1]
    assert host.run("cat", "/proc/sys/kernel/hostname").stdout.strip() == "host2"
    assert sorted(host.run("ls", "/sys/class/net").stdout.split()) == ["lan0", "lo"]
    with host.inside(), socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_the_world_outside_is_out_of_reach_and_says_so(lan: Network) -> None:
    with lan.hosts[0].socket() as asking, pytest.raises(OSError, match="unreachable"):
        asking.connect(("192.0.2.1", 80))


def test_two_networks_do_not_meet(lan: Network, tmp_path: Path) -> None:
    with network(1, tmp_path) as other:
        [stranger] = other.hosts
        assert stranger.ipv4 == lan.hosts[0].ipv4
        with served(lan.hosts[1]) as server:
            assert server.getsockname()[0] == lan.hosts[1].ipv4
            assert not connects(stranger, server)
            assert connects(lan.hosts[0], server)


@pytest.mark.needs("nftables")
def test_a_cut_host_hears_nobody_until_it_is_healed(lan: Network) -> None:
    one, other, third = lan.hosts
    asking, answering = connected(one, other)
    with asking, answering, listener(other) as ear, one.socket(kind=socket.SOCK_DGRAM) as telling:
        one.cut()
        assert not reaches(one, other)
        assert not reaches(third, one)
        assert reaches(other, third)
        telling.sendto(b"cut", (GROUP, MDNS_PORT))
        asking.sendall(b"late")
        answering.settimeout(0.3)
        with pytest.raises(TimeoutError):
            answering.recv(10)
        one.heal()
        telling.sendto(b"healed", (GROUP, MDNS_PORT))
        assert ear.recv(100) == b"healed"
        answering.settimeout(10)
        assert answering.recv(10) == b"late"
    wait_until(lambda: reaches(third, one))


@pytest.mark.needs("nftables")
def test_two_hosts_are_cut_from_each_other_only(lan: Network) -> None:
    one, other, third = lan.hosts
    lan.cut_between(one, other)
    assert not reaches(one, other)
    assert not reaches(other, one)
    assert reaches(one, third)
    assert reaches(third, other)
    other.heal()
    wait_until(lambda: reaches(one, other))


@pytest.mark.needs("nftables")
def test_a_lan_in_two_halves_has_no_way_between_them(lan: Network) -> None:
    one, other, third = lan.hosts
    lan.split([one])
    assert [reaches(one, other), reaches(third, one), reaches(other, third)] == [False, False, True]
    lan.heal()
    wait_until(lambda: reaches(one, other))


@pytest.mark.needs("nftables")
def test_some_frames_are_lost_and_others_arrive(lan: Network) -> None:
    one, other, _ = lan.hosts
    with listener(other) as ear, one.socket(kind=socket.SOCK_DGRAM) as telling:
        one.lose(percent=50)
        for number in range(400):
            telling.sendto(str(number).encode(), (GROUP, MDNS_PORT))
        lan.heal()
        telling.sendto(b"last", (GROUP, MDNS_PORT))
        heard = list(iter(lambda: ear.recv(100), b"last"))
    assert 100 < len(heard) < 300


def test_a_slow_host_is_slower_by_far(lan: Network) -> None:
    one, other, _ = lan.hosts

    def time_s() -> float:
        asking, answering = connected(one, other)
        with asking, answering:
            sending = threading.Thread(target=asking.sendall, args=(bytes(100_000),))
            began = time.monotonic()
            sending.start()
            received = 0
            while received < 100_000:
                received += len(answering.recv(65_536))
            sending.join()
            return time.monotonic() - began

    other.slow("1mbit")
    slow_s = time_s()
    other.heal()
    assert slow_s > 0.4  # 100,000 bytes at 1 Mbit/s take 0.8 s, less what the burst lets through.
    assert any(time_s() < slow_s / 2 for _ in range(3))


def test_a_host_takes_another_address_and_can_be_reached_there(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        old = one.ipv4
        new = one.readdress()
        assert new == one.ipv4 != old
        assert reaches(other, one)
        assert reaches(one, other)
        assert one.readdress("10.77.1.200") == "10.77.1.200"
        addresses = json.loads(one.run("ip", "-j", "-4", "addr", "show", "lan0").stdout)
        assert [each["local"] for each in addresses[0]["addr_info"]] == ["10.77.1.200"]


def test_an_interface_goes_and_comes_back(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        one.down()
        assert not reaches(other, one)
        one.up()
        wait_until(lambda: reaches(other, one) and reaches_link_local(other, one))
        with one.socket() as asking, pytest.raises(OSError, match="Network is unreachable"):
            asking.connect(("192.0.2.1", 80))  # The router is known again.


def test_traffic_is_counted(lan: Network) -> None:
    one, other, _ = lan.hosts
    _, before = one.traffic_bytes()
    with one.socket(kind=socket.SOCK_DGRAM) as telling:
        telling.sendto(bytes(1000), (other.ipv4, 9))
    received, sent = one.traffic_bytes()
    assert sent - before >= 1000
    assert received > 0


def test_a_host_can_have_more_interfaces(tmp_path: Path) -> None:
    with network(1, tmp_path) as lan:
        [host] = lan.hosts
        host.ip("link add tun0 type veth peer name far0", "addr add 100.64.0.1/32 dev tun0")
        assert "100.64.0.1" in host.run("ip", "addr", "show", "tun0").stdout


def test_what_a_thread_makes_inside_stays_there_and_the_thread_comes_back(lan: Network) -> None:
    home = Path("/proc/thread-self/ns/net").readlink()
    with lan.hosts[0].inside():
        there = Path("/proc/thread-self/ns/net").readlink()
        with contextlib.suppress(ZeroDivisionError), lan.hosts[1].inside():
            assert Path("/proc/thread-self/ns/net").readlink() not in (home, there)
            raise ZeroDivisionError
        assert Path("/proc/thread-self/ns/net").readlink() == there
    assert Path("/proc/thread-self/ns/net").readlink() == home
