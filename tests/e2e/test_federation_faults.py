"""A federation in which something goes wrong: requests are answered, nothing leaks, all heals.

The third machine has a model that never ends by itself, so what befalls it befalls it mid-request.
"""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from bench.models import TINY, random_model
from federation.client import SILENCE_S
from federation.trust import encode_code, new_secret
from swarm.models.local import bundled_model
from tests.e2e.hosts import Host, Network, network
from tests.e2e.house import (
    READY_S,
    SUM,
    answered,
    ask,
    body,
    busy,
    diagnostics,
    house,
    meanwhile,
    peers,
    pin_of,
    ready,
    start_member,
    voters,
    wait_together,
)
from tests.e2e.standstill import undisturbed

pytestmark = [
    pytest.mark.needs("namespaces"),
    pytest.mark.needs("nftables"),
]

CLOCK = Path(__file__).with_name("clock.c")
DAY_S = 86_400
LATE_S = 1.5
"""After this long every heartbeat that the test before has swallowed is known to be lost."""
FREED_S = 30
"""A peer lets go of a question within 8 s, and talks for longer than this where it does not."""
BOTH = {"here": 3, "host2": 3}


@pytest.fixture(scope="module")
def slow_talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights and a long context: it talks for minutes."""
    shape = replace(TINY, name="random-talker", context_tokens=32_768)
    return random_model(shape, folder=tmp_path_factory.mktemp("models"))


@contextlib.contextmanager
def one_talks(folder: Path, talker: Path) -> Iterator[Network]:
    """Two machines that answer, and a third that talks without end, to one at a time."""
    with network(3, folder) as lan:
        code = encode_code(new_secret())
        one, other, third = lan.hosts
        start_member(one, code)
        start_member(other, code)
        third.start_node(
            "--join",
            code,
            "--model",
            str(talker),
            wait=False,
            environment={"SWARM_MAX_REQUESTS": "1"},
        )
        wait_together(lan.hosts)
        yield lan


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, slow_talker: Path) -> Iterator[Network]:
    with one_talks(tmp_path_factory.mktemp("lan"), slow_talker) as lan:
        yield lan


@pytest.fixture
def lan(shared: Network) -> Iterator[Network]:
    """Whole and idle when a test begins; a test starts and ends no process."""
    wait_together(shared.hosts)
    for host in shared.hosts:
        host.node.wait_until(lambda host=host: not busy(host), READY_S)
    time.sleep(LATE_S)
    wait_together(shared.hosts)
    yield shared
    shared.heal()


def in_the_middle(third: Host) -> None:
    """The third machine generates for somebody."""
    third.node.wait_until(lambda: busy(third), READY_S)


def is_at(host: Host, name: str, address: str, *, left: str) -> bool:
    """Whether the host knows this peer there, and asks it no longer where it has `left`."""
    peer = peers(host)[name]
    known = [each.split()[0] for each in peer["addresses"]]
    return peer["state"] == "ready" and address in known and known[0] != left


def test_a_peer_that_loses_its_engine_or_its_life_mid_request_costs_its_votes_alone(
    slow_talker: Path, tmp_path: Path
) -> None:
    with one_talks(tmp_path, slow_talker) as lan:
        one, _, third = lan.hosts
        for end in (third.node.engine().kill, third.node.kill):
            with meanwhile(lambda: answered(one, body(SUM), BOTH)) as asked:
                in_the_middle(third)
                end()
            assert voters(asked.result()) == BOTH
            assert voters(asked.result(), "failed") == {"host3": 3}
            if third.node.process.poll() is None:
                wait_together(lan.hosts)
        one.node.wait_until(lambda: ready(one) == {"host2"}, READY_S)
        assert "lost host3" in one.node.said()
        third.start_node()
        wait_together(lan.hosts)


def test_a_peer_that_freezes_mid_request_costs_its_votes_alone(lan: Network) -> None:
    one, _, third = lan.hosts
    try:
        with meanwhile(lambda: ask(one)) as asked:
            in_the_middle(third)
            third.node.freeze()
        workers = asked.result()["usage"]["swarm"]["workers"]
        assert voters(asked.result()) == BOTH, f"{workers}\n{one.node.said()[-2000:]}"
        one.node.wait_until(lambda: ready(one) == {"host2"}, READY_S)
        assert voters(ask(one)) == BOTH
    finally:
        third.node.thaw()


def test_a_peer_that_is_cut_off_mid_request_costs_its_votes_alone(lan: Network) -> None:
    one, _, third = lan.hosts
    with meanwhile(lambda: ask(one)) as asked:
        in_the_middle(third)
        third.cut()
    workers = asked.result()["usage"]["swarm"]["workers"]
    assert voters(asked.result()) == BOTH, f"{workers}\n{one.node.said()[-2000:]}"
    third.node.wait_until(lambda: not busy(third) and not ready(third), FREED_S)


def test_a_peer_does_not_generate_for_an_asker_that_is_cut_off(lan: Network) -> None:
    one, _, third = lan.hosts
    with meanwhile(lambda: ask(one, deadline_s=2 * FREED_S)) as asked:
        in_the_middle(third)
        one.cut()
        third.node.wait_until(lambda: not busy(third), FREED_S)
        assert asked.result()["usage"]["swarm"]["valid"] >= 3


def test_a_peer_on_a_slow_cable_is_not_waited_for_longer_than_was_asked(lan: Network) -> None:
    one, _, third = lan.hosts
    third.slow("16kbit")
    long = {**body(SUM, deadline_s=5), "chat_template_kwargs": {"unused": "x" * 40_000}}
    answer = answered(one, long, BOTH)
    assert voters(answer) == BOTH
    assert set(voters(answer, "cancelled", "failed")) == {"host3"}


def test_an_engine_that_pauses_for_longer_than_a_peer_may_be_silent_still_votes(
    lan: Network,
) -> None:
    """Of the two that have the model which is asked for: nobody else keeps the vote open."""
    one, other, _ = lan.hosts
    engine = other.node.engine()

    def paused() -> tuple[bool, dict[str, int], int]:
        before = peers(one)["host2"]["metrics"]["failures"]
        engine.suspend()
        with meanwhile(lambda: ask(one, model=bundled_model().id)) as asked:
            try:
                other.node.wait_until(lambda: busy(other), READY_S)
                assert psutil.Process(engine.pid).status() == psutil.STATUS_STOPPED
                waited_for = not wait([asked], SILENCE_S + 2).done
            finally:
                engine.resume()
        after = peers(one)["host2"]["metrics"]["failures"]
        return waited_for, voters(asked.result()), after - before

    assert undisturbed(paused) == (True, BOTH, 0)


def test_a_client_that_leaves_mid_vote_frees_the_workers_of_all_nodes(lan: Network) -> None:
    one, _, third = lan.hosts
    for streamed in (True, False):
        one.node.wait_until(lambda: not busy(one) and not busy(third), READY_S)
        request = json.dumps({**body("hello"), "stream": streamed}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{one.node.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(request)}\r\n\r\n"
        with one.node.connect() as client:
            client.sendall(head.encode() + request)
            in_the_middle(third)
        one.node.wait_until(lambda: not busy(one), FREED_S)
        third.node.wait_until(lambda: not busy(third), FREED_S)
        third.node.wait_until(lambda: third.node.metric("swarm_engine_running") == 0, FREED_S)


def test_a_peer_that_is_full_abstains_and_stays_a_peer(lan: Network) -> None:
    one, _, third = lan.hosts
    third.node.wait_until(lambda: not busy(third), READY_S)
    before = peers(one)["host3"]["metrics"]
    own = {**body("hello", model="swarm-fast"), "stream": True}
    request = json.dumps(own).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost:{third.node.port}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(request)}\r\n\r\n"
    with third.node.connect() as client:
        client.sendall(head.encode() + request)
        in_the_middle(third)
        answers = [ask(one) for _ in range(4)]
    assert [voters(answer) for answer in answers] == [BOTH] * 4
    assert [answer["usage"]["swarm"]["abstained"] for answer in answers] == [3] * 4
    after = peers(one)["host3"]
    asked, declined = (after["metrics"][name] - before[name] for name in ("requests", "busy"))
    assert (after["state"], asked) == ("ready", declined)
    assert declined >= 4


def test_both_halves_of_a_split_house_answer_and_become_one_again(lan: Network) -> None:
    one, other, third = lan.hosts
    errors = third.node.said().count("ERROR")
    lan.split([one])
    one.node.wait_until(lambda: ready(one) == set(), READY_S)
    other.node.wait_until(lambda: ready(other) == {"host3"}, READY_S)
    assert voters(ask(one)) == {"here": 3}
    assert voters(ask(other, decide=None, strategy="first"), "valid", "cancelled") == {
        "here": 3,
        "host3": 3,
    }
    lan.heal()
    wait_together(lan.hosts)
    assert third.node.said().count("ERROR") == errors


def test_a_node_that_gets_another_address_is_one_of_them_again(lan: Network) -> None:
    _, other, _ = lan.hosts
    old, new = other.ipv4, lan.unused_address()
    for left, there in ((old, new), (new, old)):
        other.readdress(there)
        for host in lan.hosts:
            if host is not other:
                host.node.wait_until(partial(is_at, host, "host2", there, left=left), READY_S)


def test_an_interface_that_goes_and_comes_back_brings_its_node_back(lan: Network) -> None:
    one, other, _ = lan.hosts
    other.down()
    one.node.wait_until(lambda: "host2" not in ready(one), READY_S)
    other.node.wait_until(lambda: diagnostics(other)["federation"]["peer_port"] == 0, READY_S)
    assert voters(ask(other)) == {"here": 3}
    other.up()
    wait_together(lan.hosts)


def test_a_member_that_starts_before_its_interface_is_there_is_one_of_them_later(
    tmp_path: Path,
) -> None:
    with house(2, tmp_path) as lan:
        _, other = lan.hosts
        assert other.node.end() == 0
        other.down()
        other.start_node()
        assert voters(ask(other)) == {"here": 3}
        other.up()
        wait_together(lan.hosts)


def test_a_clock_that_is_a_day_ahead_breaks_nothing_and_is_told(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler, which this machine lacks")
    clock = tmp_path / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", clock, CLOCK], check=True)
    with network(2, tmp_path) as lan:
        one, other = lan.hosts
        one.start_node()
        other.start_node(environment={"LD_PRELOAD": str(clock)})
        assert one.main("approve", pin_of(other)).returncode == 0
        wait_together(lan.hosts)
        assert abs(peers(one)["host2"]["clock_offset_s"] - DAY_S) < 60
        assert abs(peers(other)["host1"]["clock_offset_s"] + DAY_S) < 60
        assert voters(ask(one)) == BOTH
        assert "its clock is 86" in one.main("--diagnose").stdout
