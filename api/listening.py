"""Where a door for clients listens, and under which names it may be called."""

import ipaddress
import socket
from dataclasses import dataclass

from flags import LAN
from guard import LOOPBACK_NAMES, bracketed
from hardware.interfaces import lan_addresses, read_interfaces
from swarm.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
_ALL_IPV4 = "0.0.0.0"  # noqa: S104 - only where the owner asks


@dataclass(frozen=True, slots=True)
class Listening:
    """`hosts` are listened on, `address` is what clients are told, `names` what they may say.

    `beyond` says that other machines can reach the door.
    """

    hosts: tuple[str, ...]
    address: str
    names: tuple[str, ...]
    beyond: bool

    def base_url(self, port: int) -> str:
        """What clients call the base URL."""
        return base_url(self.address, port)


def listening(host: str) -> Listening:
    """What `--host` asks for, or an address of this machine. Beyond this machine, the door is
    also open on loopback.

    Raises ConfigurationError for what is not an address of a machine.
    """
    host = lan_address(f"--host {LAN}") if host.lower() == LAN else host
    if is_loopback(host):
        return Listening((host,), host, _names(host), beyond=False)
    if not is_unspecified(host):
        return Listening((LOOPBACK, host), host, _names(host, *_own_names()), beyond=True)
    lan = house_addresses()
    hosts = tuple(dict.fromkeys((_ALL_IPV4, host)))  # `::` is kept to IPv6
    names = _names(*own_addresses(), *_own_names())
    return Listening(hosts, lan[0] if lan else LOOPBACK, names, beyond=True)


def is_here(address: str) -> bool:
    """Whether an address is one of this machine."""
    return is_loopback(address) or address in own_addresses()


def lan_address(flag: str) -> str:
    """This machine's address in the house. Raises ConfigurationError, which names the flag that
    asked for it, where it has none.
    """
    if not (found := house_addresses()):
        raise ConfigurationError(f"{flag}: this machine has no address on a private network")
    return found[0]


def house_addresses() -> tuple[str, ...]:
    """This machine's addresses in the house, the best first. A link-local one of IPv6 is none of
    them: without a zone it can be neither listened on nor called, and zones are each machine's own.
    """
    return tuple(
        found.address
        for found in lan_addresses(read_interfaces())
        if found.version == 4 or not ipaddress.ip_address(found.address).is_link_local
    )


def door_url(host: str, port: int) -> str:
    """`http://HOST:PORT`, an IPv6 address in brackets."""
    return f"http://{bracketed(host)}:{port}"


def base_url(host: str, port: int) -> str:
    """`http://HOST:PORT/v1`, an IPv6 address in brackets."""
    return f"{door_url(host, port)}/v1"


def _names(*hosts: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*LOOPBACK_NAMES, *(bracketed(host).lower() for host in hosts))))


def _own_names() -> tuple[str, ...]:
    """What this machine is called in the house; a name that others could take is no danger:
    beyond loopback a key is asked for.
    """
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return tuple(dict.fromkeys((name, short, f"{short}.local"))) if short else ()


def own_addresses() -> tuple[str, ...]:
    """Every address of this machine now."""
    return tuple(a for interface in read_interfaces().values() for a in interface.addresses)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_unspecified(host: str) -> bool:
    """Whether this means every address of the machine, such as 0.0.0.0."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
