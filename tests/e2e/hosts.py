"""Real hosts on one machine: each a network namespace with its own address on one switch.

`with network(3, tmp_path) as lan:` makes them, and whatever a test did, all of it is gone after
the block; nothing outside is touched. A test of it is marked `needs("namespaces")`, one that
uses `cut`, `cut_between`, `split` or `lose` also `needs("nftables")`.
"""

import contextlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx2
import openai
import psutil

from tests.e2e.cables import Faults
from tests.e2e.namespaces import NAMES, Namespace, namespaces, run
from tests.e2e.nodes import ROOT, RunningNode, without_hub

PORT = 17615
SLOW_QUEUE = "burst 16kb latency 500ms"

# As `ip netns exec`, with a host name of its own, and with the machine's limits still in sight.
_LAUNCH = """
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs sysfs /sys
mount --rbind /mnt /sys/fs/cgroup
umount -R /mnt
echo "$0" > /proc/sys/kernel/hostname
exec "$@"
"""


@dataclass
class HostedNode(RunningNode):
    """A node on a host: everything that looks at it from outside stands on its host's loopback."""

    host: "Host"

    def reach(self) -> AbstractContextManager[None]:
        return self.host.inside()

    def sdk(self, **options: Any) -> openai.OpenAI:
        client = httpx2.Client(transport=_Transport(self.host), timeout=None)
        self.host.lan.closing.callback(client.close)
        return super().sdk(http_client=client, **options)

    def async_sdk(self) -> openai.AsyncOpenAI:
        raise TypeError("an await may not stand inside a host: sdk() in threads, or session()")

    def session(self) -> aiohttp.ClientSession:
        """A client for coroutines; enter it. Paths are relative: `/v1/models`."""
        connector = aiohttp.TCPConnector(socket_factory=lambda info: self.host.socket(*info[:2]))
        return aiohttp.ClientSession(f"http://127.0.0.1:{self.port}", connector=connector)

    def freeze(self) -> None:
        """Stop the node and its engine where they are; their connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the node and its engine with no chance to say goodbye."""
        self._signal(signal.SIGKILL)
        self.process.wait(10)

    def _signal(self, number: signal.Signals) -> None:
        node = psutil.Process(self.process.pid)
        for process in (node, *node.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)


@dataclass
class Host:
    """A machine of the house. `name` is its host name, which a test may change before a start."""

    namespace: Namespace
    lan: "Network"
    number: int
    folder: Path
    name: str
    ipv4: str
    nodes: list[HostedNode] = field(default_factory=list)

    @property
    def ipv6(self) -> str:
        """The link-local address of lan0, made from its hardware address; with its interface."""
        return f"fe80::aff:fe4d:{self.lan.number:x}{self.number:02x}%lan0"

    @property
    def state(self) -> Path:
        """Where nodes of this host keep what they must still know after a restart."""
        return self.folder / "state"

    def inside(self) -> AbstractContextManager[None]:
        """What this thread makes in the block stands on this host; no `await` in it."""
        return self.namespace.inside()

    def socket(
        self,
        family: int = socket.AF_INET,
        kind: int = socket.SOCK_STREAM,
        protocol: int = 0,
    ) -> socket.socket:
        """A socket of this host, for any thread and any event loop."""
        with self.inside():
            return socket.socket(family, kind, protocol)

    def start_node(
        self,
        *flags: str,
        port: int = PORT,
        wait: bool = True,
        environment: Mapping[str, str] | None = None,
        program: Path = ROOT / "main.py",
    ) -> HostedNode:
        """`main.py --auto` on this host; `wait`: until it can answer. Ends with the network.

        Another program takes the same flags and serves the same endpoint.
        """
        output = self.folder / f"node-{len(self.nodes)}.txt"
        arguments = ("--auto", "--port", str(port), *flags)
        with output.open("wb") as file:
            process = subprocess.Popen(
                self._command(sys.executable, str(program), *arguments),
                cwd=self.folder,
                env={**self._environment(), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        node = HostedNode(port, process, output, self)
        self.nodes.append(node)
        if wait:
            node.wait_ready()
        return node

    @property
    def node(self) -> HostedNode:
        """The node that was started last."""
        return self.nodes[-1]

    def get(self, path: str) -> tuple[int, str]:
        return self.node.get(path)

    def post(self, path: str, body: object) -> tuple[int, str]:
        return self.node.post(path, body)

    def sdk(self, **options: Any) -> openai.OpenAI:
        return self.node.sdk(**options)

    def run(
        self, *command: str, said: str = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this host until it ends, told `said` on its standard input."""
        return subprocess.run(
            self._command(*command),
            cwd=self.folder,
            env=self._environment(),
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def main(self, *arguments: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Type `main.py ...` on this host."""
        command = (sys.executable, str(ROOT / "main.py"), *arguments)
        return self.run(*command, timeout_s=timeout_s)

    def cut(self) -> None:
        """Nothing passes to or from this host any more, and nobody is told."""
        self.lan.faults.cut.add(self.number)
        self.lan.apply()

    def lose(self, percent: int) -> None:
        """Frames to and from this host are lost by chance."""
        self.lan.faults.loss[self.number] = percent
        self.lan.apply()

    def slow(self, rate: str) -> None:
        """Bound both directions, in the words of tc: `1mbit`."""
        for namespace, device in self._cable():
            shape = f"qdisc replace dev {device} root tbf rate {rate} {SLOW_QUEUE}"
            run("tc", "-n", namespace.name, *shape.split())
        self.lan.slowed.add(self.number)

    def heal(self) -> None:
        """Undo `cut`, `cut_between`, `lose` and `slow` for this host."""
        if self.number in self.lan.faults.hosts:
            self.lan.faults.forget(self.number)
            self.lan.apply()
        if self.number in self.lan.slowed:
            self.lan.slowed.remove(self.number)
            for namespace, device in self._cable():
                run("tc", "-n", namespace.name, "qdisc", "del", "dev", device, "root")

    def readdress(self, ipv4: str | None = None) -> str:
        """Change the address, as a router does that forgot its lease; returns the new one."""
        new = ipv4 or self.lan.unused_address()
        old, self.ipv4 = self.ipv4, new
        self.namespace.ip(f"addr del {old}/24 dev lan0", *self._address_lines())
        return new

    def down(self) -> None:
        """Take the interface down, as when a cable is drawn or before a Wi-Fi is there."""
        self.namespace.ip("link set lan0 down")

    def up(self) -> None:
        self.namespace.ip("link set lan0 up", self._route_line())

    def ip(self, *lines: str) -> None:
        """More of the command `ip`: `host.ip("link add tun0 type dummy", "link set tun0 up")`."""
        self.namespace.ip(*lines)

    def traffic_bytes(self) -> tuple[int, int]:
        """Bytes that lan0 has received and sent since it was made."""
        text = run("ip", "-n", self.namespace.name, "-j", "-s", "link", "show", "lan0")
        counted = json.loads(text)[0]["stats64"]
        return counted["rx"]["bytes"], counted["tx"]["bytes"]

    def plug_in(self) -> None:
        """Bring up what the switch has given this host."""
        self.folder.mkdir()
        up = ("link set lo up", "link set lan0 up")
        self.namespace.ip(*up, *self._address_lines())

    def _address_lines(self) -> tuple[str, str]:
        return f"addr add {self.ipv4}/24 brd + dev lan0", self._route_line()

    def _route_line(self) -> str:
        return f"route replace default via {self.lan.address_of(254)}"

    def _cable(self) -> tuple[tuple[Namespace, str], tuple[Namespace, str]]:
        return (self.namespace, "lan0"), (self.lan.switch, f"h{self.number}")

    def _command(self, *command: str) -> list[str]:
        into = ["nsenter", f"--net={NAMES / self.namespace.name}", "unshare", "--uts", "--mount"]
        return [*into, "sh", "-ec", _LAUNCH, self.name, *command]

    def _environment(self) -> dict[str, str]:
        """What the tester's own settings say is not for nodes of a test."""
        kept = {name: os.environ[name] for name in os.environ if not name.startswith("SWARM_")}
        return {**kept, **without_hub(self.folder), "SWARM_STATE": str(self.state)}


@dataclass
class Network:
    """A LAN: hosts on a switch, and a router that leads nowhere."""

    switch: Namespace
    number: int
    hosts: list[Host] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    slowed: set[int] = field(default_factory=set)
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def cut_between(self, one: Host, other: Host) -> None:
        """These two do not hear each other any more; all others hear both."""
        self.faults.pairs.add((one.number, other.number))
        self.apply()

    def split(self, some: Iterable[Host]) -> None:
        """Cut the LAN into two halves: `some`, and the rest."""
        half = [host.number for host in some]
        rest = [host.number for host in self.hosts if host.number not in half]
        self.faults.pairs |= {(one, other) for one in half for other in rest}
        self.apply()

    def heal(self) -> None:
        """Undo every fault of the cables."""
        for host in self.hosts:
            host.heal()

    def start_nodes(self, *flags: str) -> list[HostedNode]:
        """A node on every host, all at once; returns when all can answer."""
        nodes = [host.start_node(*flags, wait=False) for host in self.hosts]
        for node in nodes:
            node.wait_ready()
        return nodes

    def apply(self) -> None:
        with self.switch.inside():
            run("nft", "-f", "-", said=self.faults.ruleset())

    def address_of(self, number: int) -> str:
        return f"10.77.{self.number}.{number}"

    def unused_address(self) -> str:
        used = {host.ipv4 for host in self.hosts}
        return next(
            address for at in range(100, 250) if (address := self.address_of(at)) not in used
        )

    def plug_in(self) -> None:
        """Make the switch, the router and a cable to every host, then bring the hosts up."""
        self.switch.set_kernel(ipv4__ip_forward=1)
        self.switch.ip(
            # It floods multicast like the plain switch of a home: there is no querier to ask.
            f"link add lan0 address {self._hardware(254)} type bridge mcast_snooping 0",
            f"addr add {self.address_of(254)}/24 brd + dev lan0",
            "link set lan0 up",
            *(line for host in self.hosts for line in self._cable_lines(host)),
        )
        for host in self.hosts:
            host.plug_in()

    def _cable_lines(self, host: Host) -> tuple[str, str]:
        # A test starts at once: an address that waits to be found unique would come late.
        host.namespace.set_kernel(ipv6__conf__default__accept_dad=0)
        there = f"lan0 address {self._hardware(host.number)} netns {host.namespace.name}"
        port = f"h{host.number}"
        return f"link add {port} type veth peer name {there}", f"link set {port} master lan0 up"

    def _hardware(self, number: int) -> str:
        return f"02:00:0a:4d:{self.number:02x}:{number:02x}"


class _Transport(httpx2.HTTPTransport):
    """Connects on a host: sockets are made in the thread that asks."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        with self._host.inside():
            return super().handle_request(request)


@contextlib.contextmanager
def network(count: int, folder: Path, *, number: int = 1) -> Iterator[Network]:
    """`count` hosts named host1, host2, ... at 10.77.`number`.1, .2, ...

    Each host has a folder of its own in `folder`. Networks of several runs and several networks
    of one test do not meet, whatever their numbers (1 to 255).
    """
    token = secrets.token_hex(4)
    with contextlib.ExitStack() as stack:
        lan = Network(Namespace(f"swarm-{token}-0"), number)
        stack.callback(_reap, lan)
        names = [f"swarm-{token}-{at}" for at in range(count + 1)]
        _, *made = stack.enter_context(namespaces(names))
        for at, namespace in enumerate(made, 1):
            name = f"host{at}"
            host = Host(namespace, lan, at, folder / name, name, lan.address_of(at))
            lan.hosts.append(host)
        stack.enter_context(lan.closing)
        lan.plug_in()
        yield lan


def _reap(lan: Network) -> None:
    for host in lan.hosts:
        for node in host.nodes:
            node.process.wait(10)
