"""What the owner asks of the federation, and what that makes of what the node remembers. Pure."""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from federation.peer import Address
from federation.store import Membership
from federation.trust import OPEN_SECRET, new_secret
from federation.wire import Status
from swarm.errors import ConfigurationError
from swarm.proposer import Offer

PEER_PORT = 17617

_OPEN_WARNING = (
    "--open: everybody on this network is a member, reads what is asked here, "
    "and votes on the answers"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """The owner's words: where the node keeps its key, its name, how it joins, where it listens.

    `join` is the secret of `--join`; `peers` are those of `--peer`; `interfaces` those that the
    owner named, or none for the LAN's.
    """

    folder: Path
    name: str
    version: str
    port: int = PEER_PORT
    join: bytes | None = field(default=None, repr=False)
    open: bool = False
    peers: tuple[Address, ...] = ()
    interfaces: tuple[str, ...] = ()
    hardware: str = ""
    engine: str = ""

    def warnings(self, interfaces: Collection[str]) -> list[str]:
        """What the log says of these wishes at the start of a node with such interfaces."""
        there = ", ".join(sorted(interfaces))
        missing = [
            f"--peer-interface {name}: there is none of this name now, and no peer is heard on it "
            f"until it comes; there is {there}"
            for name in self.interfaces
            if name not in interfaces
        ]
        return [_OPEN_WARNING, *missing] if self.open else missing

    def status(
        self, node: str, epoch: int, port: int, models: tuple[Offer, ...], clock_s: float
    ) -> Status:
        """What a node with these wishes says of itself to its peers."""
        return Status(
            version=self.version,
            node=node,
            name=self.name,
            epoch=epoch,
            clock_s=clock_s,
            port=port or self.port,
            models=models,
            hardware=self.hardware,
            engine=self.engine,
        )


def chosen(stored: Membership | None, wishes: Wishes) -> Membership:
    """The federation to live in. Raises ConfigurationError where that would lose another one."""
    belongs = stored is not None and bool(stored.members)
    if wishes.open:
        if belongs:
            raise ConfigurationError(
                "--open: this node belongs to a federation; `--leave` ends that first"
            )
        return Membership(OPEN_SECRET)
    if wishes.join is None:
        return stored or Membership(new_secret(), founded_alone=True)
    if stored is not None and stored.secret == wishes.join:
        return stored
    if belongs:
        raise ConfigurationError(
            "--join: this node belongs to another federation; `--leave` ends that first"
        )
    return Membership(wishes.join)


def parse_peer(text: str, usual_port: int) -> Address:
    """`HOST`, `HOST:PORT` or `[IPV6]:PORT`. Raises ConfigurationError."""
    host, port = text, str(usual_port)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, port = text.split(":")
    if not _is_host(host) or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ConfigurationError(f"--peer {text}: it should be HOST, HOST:PORT or [IPV6]:PORT")
    return host, int(port)


def _is_host(text: str) -> bool:
    """Whether this may be a name or an address: only one of IPv6 has colons."""
    try:
        return bool(ipaddress.IPv6Address(text) if ":" in text else text)
    except ValueError:
        return False
