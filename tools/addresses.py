"""Which addresses on the internet a tool may speak to: public ones, in whatever dress they come."""

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = (
    ipaddress.IPv6Network("64:ff9b::/96"),
    ipaddress.IPv6Network("64:ff9b:1::/48"),
)
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(text: str) -> bool:
    """Whether an address, as the resolver writes it, leads to the internet and nowhere else."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(_is_public(each) for each in (address, *_within(address)))


def is_near(text: str, own: Iterable[str]) -> bool:
    """Whether an address is of the machine with the addresses `own`, or of its IPv6 networks: what
    stands in a house has public addresses there.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    named = (address, *_within(address))
    for known in map(ipaddress.ip_address, own):
        length = 64 if known.version == 6 else 32
        network = ipaddress.ip_network((known, length), strict=False)
        if any(each in network for each in named):
            return True
    return False


def _is_public(address: Address) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified or site_local
    )


def _within(address: Address) -> list[Address]:
    """The IPv4 addresses that an IPv6 address stands for, where it is a tunnel to them."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Address] = []
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        found.append(address.ipv4_mapped)
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found += address.teredo
    if address in _COMPATIBLE or any(address in network for network in _NAT64):
        found.append(last)
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
        found.append(last)
    return found
