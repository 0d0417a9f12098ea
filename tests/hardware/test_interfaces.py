import ipaddress

import psutil
import pytest

from hardware.interfaces import (
    Interface,
    LanAddress,
    can_bind,
    lan_addresses,
    read_interfaces,
    scoped,
)

EVERY_KIND = (
    "192.168.1.5",
    "8.8.8.8",
    "100.64.0.1",
    "fd00::5",
    "fe80::5",
    "2001:db8::5",
)


def addresses_of(name: str, *, only: tuple[str, ...] = ()) -> tuple[str, ...]:
    found = lan_addresses({name: Interface(3, EVERY_KIND)}, only)
    return tuple(address.address for address in found)


@pytest.mark.parametrize(
    "name",
    [
        "eth0",
        "eno1",
        "enp3s0",
        "en0",
        "wlan0",
        "wlp2s0",
        "br0",
        "bridge0",
        "bond0",
        "Wi-Fi",
        "Ethernet 2",
    ],
)
def test_a_lan_interface_gives_its_private_addresses(name: str) -> None:
    assert addresses_of(name) == ("192.168.1.5", "fd00::5", "fe80::5")


@pytest.mark.parametrize(
    "name",
    [
        *("lo", "tun0", "tap1", "utun3", "wg0", "ppp0", "tailscale0", "ztabcdef", "nordlynx"),
        *("docker0", "docker_gwbridge", "br-0a1b2c3d4e5f", "virbr0", "veth12ab", "cni0", "cali1"),
        *("flannel.1", "lxcbr0", "podman1", "vmnet8", "vboxnet0", "bridge100", "awdl0", "llw0"),
        *("ifb0", "dummy0", "OpenVPN TAP-Windows6", "vEthernet (WSL)", "ZeroTier One [1]"),
    ],
)
def test_a_tunnel_or_a_virtual_bridge_gives_none_unless_it_is_asked_for(name: str) -> None:
    assert addresses_of(name) == ()
    assert set(addresses_of(name, only=(name,))) == set(EVERY_KIND)


def test_flags_tell_what_a_name_does_not() -> None:
    interfaces = {
        "a0": Interface(1, ("10.0.0.1",), up=False),
        "b0": Interface(2, ("10.0.0.2",), loopback=True),
        "c0": Interface(3, ("10.0.0.3",), point_to_point=True),
    }
    assert lan_addresses(interfaces) == ()
    found = lan_addresses(interfaces, only=("a0", "b0", "c0", "d0"))
    assert [address.interface for address in found] == ["b0", "c0"]


def test_a_named_interface_leaves_out_the_others() -> None:
    interfaces = {"eth0": Interface(1, ("10.0.0.1",)), "tailscale0": Interface(2, ("100.64.0.7",))}
    found = lan_addresses(interfaces, only=("tailscale0",))
    assert found == (LanAddress("tailscale0", 2, "100.64.0.7"),)


def test_the_order_is_ipv4_then_ipv6_then_link_local_whatever_the_system_says() -> None:
    interfaces = {
        "wlan0": Interface(2, ("fe80::2", "169.254.1.1", "192.168.1.9")),
        "eth0": Interface(1, ("fd00::1", "10.0.0.1")),
    }
    found = lan_addresses(interfaces)
    assert [a.address for a in found] == [
        *("10.0.0.1", "192.168.1.9", "fd00::1"),
        *("169.254.1.1", "fe80::2"),
    ]
    assert found == lan_addresses(dict(reversed(interfaces.items())))


def test_link_local_addresses_carry_their_zone_and_are_useless_without() -> None:
    assert scoped("fe80::5", 3) == "fe80::5%3"
    assert scoped("fd00::5", 3) == "fd00::5"
    assert LanAddress("eth0", 3, "fe80::5").host == "fe80::5%3"
    assert lan_addresses({"eth0": Interface(0, ("fe80::5",))}) == ()


def test_this_machine_s_interfaces_are_read() -> None:
    read = read_interfaces()
    loopback = [name for name, interface in read.items() if "127.0.0.1" in interface.addresses]
    assert loopback
    assert read[loopback[0]].loopback
    assert read[loopback[0]].index > 0
    for interface in read.values():
        for address in interface.addresses:
            ipaddress.ip_address(address)
            assert "%" not in address


def test_interfaces_are_read_where_no_program_is_told_of_their_states(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def denied() -> None:
        raise PermissionError(13, "Permission denied", "/proc/net/dev")

    told = read_interfaces()
    monkeypatch.setattr(psutil, "net_if_stats", denied)
    read = read_interfaces()
    assert all(each.up for each in read.values())
    assert [each.addresses for each in read.values()] == [each.addresses for each in told.values()]
    assert [each.loopback for each in read.values()] == [each.loopback for each in told.values()]


def test_an_address_of_this_machine_can_be_bound_and_another_cannot() -> None:
    assert can_bind(LanAddress("lo", 1, "127.0.0.1"))
    assert not can_bind(LanAddress("eth7", 7, "10.255.255.1"))
    assert not can_bind(LanAddress("eth7", 4095, "fe80::5"))
