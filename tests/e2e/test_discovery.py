"""Two hosts with one cable between them: namespaces with their own addresses and real multicast."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.advertisement import instance_name
from tests.federation.sightings import node_id

pytestmark = [pytest.mark.e2e, pytest.mark.needs("namespaces")]

DISCOVERER = Path(__file__).with_name("discoverer.py")


class Host:
    """A namespace with one LAN interface, and the discoverer that runs in it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.namespace = f"discovery-{number}"
        self.name = instance_name("kitchen", node_id(number))
        self.process: subprocess.Popen[str] | None = None
        self.started_s = 0.0
        self.events: list[dict[str, Any]] = []

    def ip(self, *command: str) -> None:
        run("ip", "-n", self.namespace, *command)

    def start(self) -> None:
        command = [sys.executable, str(DISCOVERER), "kitchen", str(self.number)]
        self.started_s = time.monotonic()
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace, *command], stdout=subprocess.PIPE, text=True
        )

    def until(self, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next event that is so; the test's own timeout ends the wait."""
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            if condition(event):
                return event
        pytest.fail(f"{self.namespace} ended")

    def stop(self, *, kindly: bool = True) -> None:
        if self.process is None:
            return
        (self.process.terminate if kindly else self.process.kill)()
        self.process.wait(timeout=10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    pair = (Host(1), Host(2))
    for host in pair:
        subprocess.run(["ip", "netns", "del", host.namespace], check=False, capture_output=True)
        run("ip", "netns", "add", host.namespace)
    try:
        one, two = pair
        peer = ("type", "veth", "peer", "name", "eth0", "netns", two.namespace)
        run("ip", "-n", one.namespace, "link", "add", "eth0", *peer)
        for host in pair:
            host.ip("link", "set", "lo", "up")
            host.ip("link", "set", "eth0", "up")
        yield pair
    finally:
        for host in pair:
            host.stop(kindly=False)
            run("ip", "netns", "del", host.namespace)


def give_addresses(hosts: tuple[Host, Host]) -> None:
    for host in hosts:
        host.ip("addr", "add", f"10.77.0.{host.number}/24", "dev", "eth0")
        host.ip("addr", "add", f"fd77::{host.number}/64", "dev", "eth0", "nodad")


def test_two_hosts_find_each_other_and_hear_a_goodbye(hosts: tuple[Host, Host]) -> None:
    give_addresses(hosts)
    one, two = hosts
    one.start()
    one.until(lambda event: event.get("open"))
    two.start()
    two.until(lambda event: event.get("open"))
    seen = two.until(lambda event: event.get("seen") == one.name)
    assert "10.77.0.1" in seen["addresses"]
    assert seen["problem"] is None
    seen = one.until(lambda event: event.get("seen") == two.name)
    assert {"10.77.0.2", "fd77::2"} <= set(seen["addresses"])
    one.until(lambda event: event.get("others"))
    two.stop()
    one.until(lambda event: event.get("gone") == two.name)


def test_two_hosts_with_nothing_but_link_local_ipv6_find_each_other(
    hosts: tuple[Host, Host],
) -> None:
    one, two = hosts
    for host in hosts:
        host.start()
    seen = one.until(lambda event: event.get("seen") == two.name and event["addresses"])
    assert all(address.startswith("fe80:") and "%" in address for address in seen["addresses"])
    seen = two.until(lambda event: event.get("seen") == one.name and event["addresses"])
    assert seen["problem"] is None


def test_a_host_that_gets_another_address_is_found_there(hosts: tuple[Host, Host]) -> None:
    give_addresses(hosts)
    one, two = hosts
    for host in hosts:
        host.start()
    one.until(lambda event: "10.77.0.2" in event.get("addresses", ()))
    two.ip("addr", "del", "10.77.0.2/24", "dev", "eth0")
    two.ip("addr", "add", "10.77.0.99/24", "dev", "eth0")
    one.until(lambda event: "10.77.0.99" in event.get("addresses", ()))


def test_an_interface_that_comes_late_is_used(hosts: tuple[Host, Host]) -> None:
    one, two = hosts
    for host in hosts:
        host.ip("link", "set", "eth0", "down")
        host.start()
        host.until(lambda event: event.get("error") == "no address on a LAN")
    for host in hosts:
        host.ip("link", "set", "eth0", "up")
    give_addresses(hosts)
    one.until(lambda event: event.get("seen") == two.name)
    two.until(lambda event: event.get("seen") == one.name)
