"""Machines become one federation: by a PIN, by a code, and by nothing else."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from federation.pairing import approve
from federation.trust import new_secret
from swarm.errors import PeerRefused, PeerTimedOut, PeerUnreachable
from tests.e2e.hosts import Host, Network, network
from tests.e2e.house import (
    PEER_PORT,
    READY_S,
    ask,
    diagnostics,
    meanwhile,
    pin_of,
    ready,
    voters,
    wait_together,
)
from tests.federation.sightings import node_id

pytestmark = pytest.mark.needs("namespaces")


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Two machines that were started at the same moment and have not joined; tests keep it so."""
    with network(2, tmp_path_factory.mktemp("lan")) as lan:
        lan.start_nodes()
        yield lan


def own(host: Host) -> Any:
    return diagnostics(host)["federation"]


def doors(host: Host) -> set[tuple[str, int]]:
    """Where the host listens, but for its loopback: address and port."""
    lines = host.run("ss", "-tlnH").stdout.splitlines()
    found = {line.split()[3].rpartition(":")[::2] for line in lines}
    return {(address, int(port)) for address, port in found if not address.startswith("127.")}


def lan_doors(host: Host, port: int) -> set[tuple[str, int]]:
    """One door on the addresses of the LAN, as ss tells it."""
    return {(host.ipv4, port), (f"[{host.ipv6.partition('%')[0]}]%lan0", port)}


def guess(host: Host, at: Host, pin: str, pairing: int) -> str:
    """What a machine without the PIN is told at the pairing door; "" if it got in."""
    trying = partial(
        approve,
        pin,
        [at.ipv4],
        pairing,
        node_id=node_id(1),
        secret=new_secret(),
        door_addresses=[host.ipv4],
        door_port=PEER_PORT,
    )
    with host.inside():
        for _ in range(5):
            try:
                asyncio.run(trying())
                return ""
            except PeerRefused as refused:
                return str(refused.status)
            except (PeerTimedOut, PeerUnreachable):
                continue
    return "nothing"


@pytest.mark.parametrize("typed", [0, 1], ids=["on the first", "on the second"])
def test_a_pin_typed_on_either_side_joins_two_machines_started_at_once(
    typed: int, tmp_path: Path
) -> None:
    with network(2, tmp_path) as lan:
        lan.start_nodes()
        approver, joining = lan.hosts[typed], lan.hosts[1 - typed]
        kept = own(approver)["id"]
        done = approver.main("approve", *pin_of(joining).split())
        assert (done.returncode, joining.name in done.stdout) == (0, True), done.stderr
        wait_together(lan.hosts)
        assert [own(host)["id"] for host in lan.hosts] == [kept, kept]
        assert [own(host)["alone"] for host in lan.hosts] == [False, False]
        assert voters(ask(joining)) == {"here": 3, approver.name: 3}


def test_two_machines_approved_on_both_sides_at_once_are_one_federation(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        lan.start_nodes()
        one, other = lan.hosts
        pins = [pin_of(host) for host in lan.hosts]
        with meanwhile(lambda: one.main("approve", pins[1])) as typed:
            other.main("approve", pins[0])
        assert typed.result().returncode in (0, 1)
        wait_together(lan.hosts)
        assert voters(ask(one)) == {"here": 3, other.name: 3}


def test_of_several_machines_that_show_a_pin_only_the_named_one_is_tried(tmp_path: Path) -> None:
    with network(3, tmp_path) as lan:
        lan.start_nodes()
        one, *others = lan.hosts
        pins = {host.name: pin_of(host) for host in others}
        for host in others:
            host.node.wait_until(
                lambda host=host: f"{pins[host.name]} {host.name}-" in host.node.said(), READY_S
            )
        for _ in range(4):  # three tries would change a PIN
            done = one.main("approve", *pins["host3"].split())
            assert done.returncode == 1
            assert all(host.name in done.stderr for host in others), done.stderr
        for host in others:
            typed = re.findall(r"approve (\d{3} \d{3} \S+)", host.node.said())[-1]
            assert one.main("approve", *typed.split()).returncode == 0
        wait_together(lan.hosts)
        assert {host.name: pin_of(host) for host in others} == pins


def test_later_starts_need_nothing(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        lan.start_nodes()
        one, other = lan.hosts
        assert one.main("approve", pin_of(other)).returncode == 0
        wait_together(lan.hosts)
        assert [host.node.end() for host in lan.hosts] == [0, 0]
        lan.start_nodes()
        wait_together(lan.hosts)
        assert "approve" not in one.node.said() + other.node.said()


def test_a_third_machine_joins_by_the_code_that_a_member_shows(tmp_path: Path) -> None:
    with network(3, tmp_path) as lan:
        one, by_flag, by_environment = lan.hosts
        one.start_node()
        shown = one.main("--show-code").stdout
        code = shown.split()[-1]
        by_flag.start_node("--join", code.lower(), wait=False)
        by_environment.start_node(environment={"SWARM_JOIN": code}, wait=False)
        wait_together(lan.hosts)
        assert voters(ask(by_flag)) == {"here": 3, one.name: 3, by_environment.name: 3}
        assert all(code not in host.node.said() for host in lan.hosts)


def test_a_code_does_not_take_a_member_away_from_its_federation(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        one.start_node()
        code = one.main("--show-code").stdout.split()[-1]
        other.start_node("--join", code, wait=False)
        wait_together(lan.hosts)
        other.node.end()
        elsewhere = "00000-00000-00000-00000-00000-00000"
        assert "mistake" in other.main("--auto", "--join", elsewhere).stderr
        assert one.main("--leave").returncode == 0
        new_code = one.main("--show-code").stdout.split()[-1]
        refused = other.main("--auto", "--join", new_code)
        assert (refused.returncode, "--leave" in refused.stderr) == (2, True)


def test_a_machine_that_is_alone_listens_for_a_pin_on_the_lan_alone(strangers: Network) -> None:
    for host in strangers.hosts:
        assert doors(host) == lan_doors(host, own(host)["pairing_port"])
        assert own(host)["peer_port"] == 0


def test_a_wrong_pin_is_refused_and_opens_no_door(strangers: Network) -> None:
    one, other = strangers.hosts
    before = doors(one)
    wrong = f"{(int(pin_of(other).replace(' ', '')) + 1) % 10**6:06}"
    done = one.main("approve", wrong)
    assert (done.returncode, "PIN" in done.stderr) == (1, True)
    assert doors(one) == before
    assert ready(one) == ready(other) == set()


def test_what_is_no_pin_is_not_even_tried(strangers: Network) -> None:
    done = strangers.hosts[0].main("approve", "12345")
    assert done.returncode != 0
    assert "6 digits" in done.stderr


def test_300_guesses_over_the_wire_join_nothing(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, guesser = lan.hosts
        one.start_node()
        pairing, federation = own(one)["pairing_port"], own(one)["id"]
        began = time.monotonic()
        told = [guess(guesser, one, f"{number:06}", pairing) for number in range(300)]
        rests = 1 + (time.monotonic() - began) // 10
        assert set(told[:3]) <= {"403"}
        assert set(told[3:]) <= {"403", "429"}
        assert told.count("403") <= 3 + 3 * rests  # three at once, three after each rest
        assert own(one)["id"] == federation
        assert own(one)["alone"]
        assert json.loads((one.state / "federation.json").read_text())["members"] == []


def test_open_nodes_are_one_federation_without_a_pin_and_warn_at_every_start(
    tmp_path: Path,
) -> None:
    with network(3, tmp_path) as lan:
        one, other, closed = lan.hosts
        closed.start_node()
        for host in (one, other):
            host.start_node("--open", "--quiet", wait=False)
        wait_together([one, other])
        assert voters(ask(one)) == {"here": 3, "host2": 3}
        assert [own(host)["open"] for host in lan.hosts] == [True, True, False]
        assert other.node.end() == 0
        other.start_node("--open")
        wait_together([one, other])
        assert "next machine: python main.py --auto --open" in other.node.said()
        for host, warnings in ((one, [1]), (other, [1, 1]), (closed, [0])):
            said = [node.said() for node in host.nodes]
            assert [text.count("WARNING --open: everybody") for text in said] == warnings
        assert ready(closed) == set()
        assert "approve" not in closed.node.said()


def test_a_node_that_is_told_to_stay_alone_says_nothing_and_hears_nothing(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        other.start_node()
        one.start_node("--no-federation")
        assert doors(one) == set()
        assert diagnostics(one)["federation"] is None
        assert voters(ask(one)) == {"here": 3}
        assert all(
            one.name not in seen["name"] for seen in diagnostics(other)["discovery"]["sightings"]
        )
