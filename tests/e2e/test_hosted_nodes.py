"""Nodes on hosts: reached from within, stopped in every way, and never left behind."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.hosts import HostedNode, network
from tests.e2e.namespaces import NAMES
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("namespaces")

WAIT_S = 30
WHO: list[Any] = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostedNode]:
    with network(1, tmp_path_factory.mktemp("lan")) as lan:
        yield lan.hosts[0].start_node("--no-federation")


def left_of(token: str) -> list[str]:
    """Namespaces with such a name, and processes in a folder with such a name."""
    found = [path.name for path in NAMES.glob(f"swarm-{token}-*")]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if token in process.cwd():
                found.append(str(process))
    return found


def test_the_sdk_asks_a_node_on_its_host(node: HostedNode) -> None:
    said = node.sdk().chat.completions.create(model="swarm", messages=WHO, temperature=0)
    assert said.choices[0].finish_reason == "stop"
    stream = node.host.sdk().chat.completions.create(
        model="swarm", messages=WHO, temperature=0, stream=True
    )
    texts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert len([text for text in texts if text]) > 1
    assert "".join(texts) == said.choices[0].message.content


def test_a_stream_that_its_reader_leaves_ends_on_the_node(
    endless_model: Path, tmp_path: Path
) -> None:
    with network(1, tmp_path) as lan:
        flags = ("--no-federation", "--model", str(endless_model))
        endless = lan.hosts[0].start_node(*flags)
        stream = endless.sdk().chat.completions.create(model="swarm", messages=WHO, stream=True)
        endless.wait_until(lambda: endless.metric("swarm_requests_running") == 1, WAIT_S)
        stream.close()
        endless.wait_until(lambda: endless.metric("swarm_requests_running") == 0, WAIT_S)


def test_requests_are_made_from_within_the_host(node: HostedNode) -> None:
    assert node.get("/health")[0] == node.host.get("/health")[0] == 200
    body = {"model": "swarm", "messages": WHO, "max_tokens": 4}
    status, text = node.host.post("/v1/chat/completions", body)
    assert status == 200
    assert json.loads(text)["usage"]["completion_tokens"] == 4
    assert node.post("/v1/chat/completions", {})[0] == 400
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", node.port)).close()


async def test_coroutines_have_a_session(node: HostedNode) -> None:
    async with node.session() as session, session.get("/v1/models") as answer:
        assert (await answer.json())["data"][0]["id"] == "swarm"


def test_a_node_has_its_own_folder_state_and_settings(node: HostedNode) -> None:
    process = psutil.Process(node.process.pid)
    environment = process.environ()
    assert process.cwd() == str(node.host.folder)
    assert environment["SWARM_STATE"] == str(node.host.state)
    assert {name for name in environment if name.startswith("SWARM_")} == {"SWARM_STATE"}


def test_a_command_is_typed_on_the_host(node: HostedNode) -> None:
    done = node.host.main("--auto", "--no-federation")
    assert done.returncode == 2
    assert f"process {node.process.pid}" in done.stderr


def test_a_frozen_node_says_nothing_until_it_thaws(node: HostedNode) -> None:
    engine = node.engine()
    node.freeze()
    with node.connect(timeout_s=0.5) as asking:
        asking.sendall(f"GET /health HTTP/1.1\r\nHost: localhost:{node.port}\r\n\r\n".encode())
        with pytest.raises(TimeoutError):
            asking.recv(1)
    assert engine.status() == psutil.STATUS_STOPPED
    node.thaw()
    node.wait_until(node.healthy, WAIT_S)


def test_a_killed_node_leaves_no_engine_and_can_come_back(tmp_path: Path) -> None:
    with network(1, tmp_path) as lan:
        [host] = lan.hosts
        engine = host.start_node("--no-federation").engine()
        host.node.kill()
        assert host.node.process.returncode == -signal.SIGKILL
        wait_until(lambda: not engine.is_running() or engine.status() == psutil.STATUS_ZOMBIE)
        assert host.get("/health") == (0, "")
        host.start_node("--no-federation")
        assert host.node.healthy()
        assert len(host.nodes) == 2


def test_a_failed_test_leaves_nothing(tmp_path: Path) -> None:
    token = ""

    def fail() -> None:
        nonlocal token
        with network(2, tmp_path) as lan:
            lan.hosts[0].start_node("--no-federation").freeze()
            token = lan.switch.name.split("-")[1]
            assert len(left_of(token)) == 3
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert left_of(token) == left_of(str(tmp_path)) == []


def test_a_killed_test_leaves_nothing(tmp_path: Path) -> None:
    script = """
import pathlib, sys, time
from tests.e2e.hosts import network
with network(2, pathlib.Path(sys.argv[1])) as lan:
    lan.hosts[0].start_node("--no-federation", wait=False)
    print(lan.switch.name, flush=True)
    time.sleep(60)
"""
    tester = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with tester:
        assert tester.stdout is not None
        token = tester.stdout.readline().split("-")[1]
        wait_until(lambda: len(left_of(str(tmp_path))) > 0)
        assert len(left_of(token)) == 3
        tester.kill()
    wait_until(lambda: left_of(token) == left_of(str(tmp_path)) == [])
