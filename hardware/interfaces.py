"""Which of this machine's addresses are on the LAN: no loopback, no VPN, no container's bridge.

`lan_addresses` is pure; `read_interfaces` asks the system.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

# Tunnels, then bridges and pairs of containers and virtual machines, then what never leaves
# the machine. `br0` and `bridge0` are real LANs; `br-...` is Docker's, `bridge100` macOS's.
_VIRTUAL = re.compile(
    r"(?:u?tun|tap|wg|ppp|ipsec|gif|gre|sit|stf|vti|zt|ham|tailscale|nordlynx|proton|wireguard"
    r"|docker|br-|virbr|veth|vnet|cni|cali|flannel|kube|weave|podman|lxc|lxdbr|incusbr|vmnet|vboxnet"
    r"|vmenet|bridge1\d\d|azv|lo$|ifb|dummy|awdl|llw|anpi|ap\d|teredo|isatap).*",
    re.IGNORECASE,
)
# Windows names an adapter in words.
_VIRTUAL_WORDS = re.compile(
    r"vpn|tap-windows|wintun|wireguard|zerotier|vethernet|virtualbox|vmware|loopback",
    re.IGNORECASE,
)

_LAN = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as the system describes it; `addresses` without a zone.

    `index` is the system's number for it, 0 where it does not tell.
    """

    index: int
    addresses: tuple[str, ...]
    up: bool = True
    loopback: bool = False
    point_to_point: bool = False


@dataclass(frozen=True, slots=True)
class LanAddress:
    """An address of this machine under which the house can reach it."""

    interface: str
    index: int
    address: str

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    @property
    def host(self) -> str:
        """The address to listen on; a link-local one with its zone, `fe80::1%2`."""
        return scoped(self.address, self.index)


def scoped(address: str, index: int) -> str:
    """The address with the interface's number as its zone, where it needs one."""
    parsed = ipaddress.ip_address(address)
    return f"{address}%{index}" if parsed.version == 6 and parsed.is_link_local else address


def lan_addresses(
    interfaces: Mapping[str, Interface], only: tuple[str, ...] = ()
) -> tuple[LanAddress, ...]:
    """The addresses on the LAN in a stable order, IPv4 first and link-local last.

    `only` names the interfaces that the owner asked for: then these and no others, with every
    address that they have, be they tunnels or loopback. One that is not there adds nothing.
    """
    chosen = [
        (name, interface)
        for name, interface in interfaces.items()
        if interface.up and (name in only if only else _is_lan(name, interface))
    ]
    found = [
        LanAddress(name, interface.index, address)
        for name, interface in chosen
        for address in interface.addresses
        if _is_usable(ipaddress.ip_address(address), interface.index, any_network=bool(only))
    ]
    return tuple(sorted(found, key=_preference))


def believable(host: str, own: Iterable[LanAddress]) -> bool:
    """Whether an announced address could be a machine on the LAN of a node with addresses `own`.

    An announcement must not make this node knock at an address of the internet, at its own
    loopback, or where it has no way to.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    ours = [known for known in own if known.version == address.version]
    if not ours or address.is_unspecified or address.is_multicast:
        return False
    if address.is_loopback:
        return any(_is_loopback(known.address) for known in ours)
    if isinstance(address, ipaddress.IPv6Address) and address.is_link_local:
        return address.scope_id in {str(known.index) for known in ours}
    return _on_lan(address) or any(not _on_lan(_parsed(known)) for known in ours)


def can_bind(found: LanAddress) -> bool:
    """Whether the address is this machine's and ready: IPv6 takes a second or two to be sure."""
    family = socket.AF_INET6 if found.version == 6 else socket.AF_INET
    where = socket.getaddrinfo(found.host, 0, family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(where[0][4])
    except OSError:
        return False
    return True


def read_interfaces() -> dict[str, Interface]:
    """The interfaces of this machine now, by name."""
    try:
        stats = psutil.net_if_stats()
    except OSError:  # no program of Android's may read /proc/net: what has an address is up there
        stats = None
    read: dict[str, Interface] = {}
    for name, entries in psutil.net_if_addrs().items():
        told = stats.get(name) if stats is not None else None
        texts = [
            entry.address
            for entry in entries
            if entry.family in {socket.AF_INET, socket.AF_INET6} and entry.address
        ]
        flags = set(told.flags.split(",")) if told else set[str]()
        read[name] = Interface(
            index=_index(name, texts),
            addresses=tuple(text.partition("%")[0] for text in texts),
            up=stats is None or (told is not None and told.isup),
            loopback="loopback" in flags or any(_is_loopback(text) for text in texts),
            point_to_point="pointopoint" in flags,
        )
    return read


def _is_lan(name: str, interface: Interface) -> bool:
    if interface.loopback or interface.point_to_point:
        return False
    return not (_VIRTUAL.match(name) or _VIRTUAL_WORDS.search(name))


def _is_usable(address: IpAddress, index: int, *, any_network: bool) -> bool:
    if address.version == 6 and address.is_link_local and index == 0:
        return False
    if any_network:
        return not (address.is_unspecified or address.is_multicast)
    return _on_lan(address)


def _on_lan(address: IpAddress) -> bool:
    return any(address in network for network in _LAN)


def _parsed(found: LanAddress) -> IpAddress:
    return ipaddress.ip_address(found.address)


def _preference(found: LanAddress) -> tuple[bool, int, str, bytes]:
    parsed = _parsed(found)
    return (parsed.is_link_local, parsed.version, found.interface, parsed.packed)


def _is_loopback(text: str) -> bool:
    return ipaddress.ip_address(text.partition("%")[0]).is_loopback


def _index(name: str, texts: Iterable[str]) -> int:
    """The interface's number; Windows tells it in the zone only, the others by name."""
    zones = [text.partition("%")[2] for text in texts]
    numbers = [int(zone) for zone in zones if zone.isdecimal()]
    if numbers:
        return numbers[0]
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return 0
