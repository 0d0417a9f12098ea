"""Who may speak to a door: Host, Origin, content type and key in, nothing or a refusal out; and
how many at once.

Keeps web pages away (DNS rebinding, cross-site requests). Knows no framework and no socket.
"""

import hashlib
import hmac
import ipaddress
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
"""Names of this machine to itself, as they stand in a Host header; IPv6 in brackets."""

_SCHEME, _DEFAULT_PORT = "http://", 80
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Door:
    """A listening port and the names under which clients may call it; IPv6 in brackets.

    `any_address`: the address of the machine at which a call comes in is a name too, also one that
    the machine got later. `beyond`: other machines reach it.
    """

    port: int
    names: tuple[str, ...] = LOOPBACK_NAMES
    any_address: bool = False
    beyond: bool = False

    def at(self, address: str) -> "Door":
        """The door for a connection that came in at this address of the machine.

        That may be a name too: no DNS can turn a literal address elsewhere.
        """
        name = _literal(address) if self.any_address else None
        return self if name is None else replace(self, names=(*self.names, name))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is turned away: an HTTP status, a code for programs, words for people."""

    status: int
    code: str
    message: str


def refusal(
    door: Door, *, method: str, hosts: Sequence[str], origins: Sequence[str], content_type: str
) -> Refusal | None:
    """None when the request may enter. `hosts`, `origins`: every value of those headers."""
    return (
        _check_host(door, hosts)
        or _check_origin(door, origins)
        or _check_type(method, content_type)
    )


def holder(authorizations: Sequence[str], keys: Mapping[str, str]) -> str | Refusal:
    """The name of the key that is shown. `authorizations`: every value of that header.

    Takes as long whichever key is shown, and whatever of a wrong one is right.
    """
    scheme, _, shown = (authorizations[0] if len(authorizations) == 1 else "").partition(" ")
    if scheme.lower() != "bearer" or not shown.strip():
        return Refusal(
            401, "missing_api_key", "a key is needed here: send it as Authorization: Bearer KEY"
        )
    digest = _digest(shown.strip())
    found = [name for name, key in keys.items() if hmac.compare_digest(_digest(key), digest)]
    return found[0] if found else Refusal(401, "invalid_api_key", "this key is not known here")


def bracketed(address: str) -> str:
    """An address as it stands in a URL and in a Host header: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


class ConnectionLimit:
    """The places of a door for connections, `most` of them: each connection takes a descriptor,
    which the node needs for its other doors.

    For one more the one that has been idle longest is cut; none that works is cut for it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._idle: dict[Hashable, Callable[[], None]] = {}
        """Longest idle first, and how each is cut."""
        self._working: dict[Hashable, Callable[[], None]] = {}

    def __len__(self) -> int:
        return len(self._idle) + len(self._working)

    def take(self, connection: Hashable, cut: Callable[[], None]) -> bool:
        """Whether there is a place for this connection. It is idle until it works."""
        if len(self) >= self._most:
            if not self._idle:
                return False
            self._idle.pop(next(iter(self._idle)))()
        self._idle[connection] = cut
        return True

    def works(self, connection: Hashable) -> None:
        """It has a request that was let in."""
        if cut := self._idle.pop(connection, None):
            self._working[connection] = cut

    def rests(self, connection: Hashable) -> None:
        """Its answer is written."""
        if cut := self._working.pop(connection, None):
            self._idle[connection] = cut

    def leave(self, connection: Hashable) -> None:
        """It is closed."""
        self._idle.pop(connection, None)
        self._working.pop(connection, None)


def _literal(address: str) -> str | None:
    """An address as a Host header has it: without its zone, IPv4 in IPv6 as what it is."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return bracketed(str(found.ipv4_mapped or found))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def _check_host(door: Door, hosts: Sequence[str]) -> Refusal | None:
    if len(hosts) == 1 and _is_ours(door, hosts[0]):
        return None
    ours = ", ".join(f"{name}:{door.port}" for name in door.names)
    return Refusal(403, "host_not_allowed", f"the Host header must be one of {ours}")


def _check_origin(door: Door, origins: Sequence[str]) -> Refusal | None:
    if not origins:
        return None
    origin = origins[0].lower() if len(origins) == 1 else ""
    if origin.startswith(_SCHEME) and _is_ours(door, origin.removeprefix(_SCHEME)):
        return None
    return Refusal(403, "origin_not_allowed", "web pages of other origins may not call this door")


def _check_type(method: str, content_type: str) -> Refusal | None:
    if method.upper() not in _WITH_BODY:
        return None
    if content_type.split(";", 1)[0].strip().lower() == "application/json":
        return None
    return Refusal(
        415,
        "unsupported_media_type",
        "send the body with the header Content-Type: application/json",
    )


def _is_ours(door: Door, authority: str) -> bool:
    """Whether `name[:port]` is this door. Anything that is not exactly that form is not."""
    name, colon, port = authority.lower().rpartition(":")
    if not colon or port.endswith("]"):
        name, port = authority.lower(), str(_DEFAULT_PORT)
    return name in door.names and port == str(door.port)
