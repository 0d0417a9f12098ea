"""Houses to measure: hosts made of network namespaces, their nodes of one federation."""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from federation.trust import encode_code, new_secret
from tests.e2e.hosts import Host, Network, network

POLL_S = 0.02
PATIENCE_S = 60.0
CODE = encode_code(new_secret())
"""All nodes of one run are started with it: joining by PIN is not what is measured."""


@contextlib.contextmanager
def house(hosts: int) -> Iterator[Network]:
    """Hosts on one switch; nodes are started by whoever measures."""
    with tempfile.TemporaryDirectory() as folder, network(hosts, Path(folder)) as lan:
        yield lan


def start(host: Host, *flags: str, wait: bool = True, **options: Any) -> None:
    """A node of the house's federation."""
    environment = {**options.pop("environment", {}), "SWARM_JOIN": CODE}
    host.start_node(*flags, wait=wait, environment=environment, **options)


def start_all(hosts: Sequence[Host], *flags: str) -> None:
    """A node on each of them, all at once; returns when each takes all others for ready."""
    for host in hosts:
        start(host, *flags, wait=False)
    for host in hosts:
        host.node.wait_ready()
    until(lambda: whole(hosts), PATIENCE_S)


def whole(hosts: Sequence[Host]) -> bool:
    """Whether each of them takes each other one for ready."""
    return all(len(ready(host)) == len(hosts) - 1 for host in hosts)


def ready(host: Host) -> set[str]:
    """The names of the peers that take part, as the node of this host sees it."""
    return {peer["name"] for peer in peers(host) if peer["state"] == "ready"}


def peers(host: Host) -> list[dict[str, Any]]:
    """The node's own word on its peers; none where it does not answer."""
    status, text = host.get("/v1/federation/peers")
    return json.loads(text)["data"] if status == 200 else []


def until(what: Callable[[], bool], seconds: float) -> float:
    """Wait until it holds; how long that took. Raises TimeoutError."""
    began = time.monotonic()
    while not what():
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(POLL_S)
    return time.monotonic() - began


def cpu_s(host: Host) -> float:
    """Processor time of the node on this host, its engine's with it."""
    node = psutil.Process(host.node.process.pid)
    family = (node, *node.children(recursive=True))
    return sum(sum(process.cpu_times()[:2]) for process in family)
