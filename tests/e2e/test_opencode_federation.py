"""The real OpenCode on a host whose node votes together with another host's: files on disk."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import test_opencode as by_one_node
from tests.e2e.hosts import Network
from tests.e2e.house import diagnostics, house
from tests.e2e.nodes import RunningNode
from tests.e2e.opencode_client import Client, Run, tried

pytestmark = [pytest.mark.needs("opencode", "namespaces"), pytest.mark.timeout(1800)]


TOUCH = ["Run the command touch made.txt", "Run `touch made.txt`", "Execute touch made.txt"]


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "lan"
    folder.mkdir()
    with house(2, folder, "--workers", "2") as lan:
        yield lan


@pytest.fixture
def client(lan: Network, tmp_path: Path) -> Callable[[], Client]:
    numbers = itertools.count()
    return lambda: Client.of(lan.hosts[0].node, tmp_path / str(next(numbers)))


def votes(lan: Network) -> list[set[str]]:
    """The nodes whose workers had part in each of the latest verdicts of the first host."""
    verdicts: list[Any] = diagnostics(lan.hosts[0])["verdicts"]
    return [
        {worker["voter"].rpartition("/")[0] or "here" for worker in verdict["workers"]}
        for verdict in verdicts
    ]


def made(here: Client, _: Run) -> bool:
    return (here.project / "made.txt").is_file()


def test_a_file_is_written_by_the_vote_of_both(lan: Network, client: Callable[[], Client]) -> None:
    def written(here: Client, _: Run) -> bool:
        file = here.project / "hello.txt"
        return file.is_file() and file.read_text() == "hello world"

    asks = [
        'Create a file named hello.txt with the text "hello world"',
        'Create hello.txt containing "hello world"',
        'Write the text "hello world" to the file hello.txt',
    ]
    _, ran = tried(client, asks, written)
    assert "write" in [call.tool for call in ran.calls]
    assert {"here", "host2"} in votes(lan)


def test_a_command_is_run_by_the_vote_of_both(lan: Network, client: Callable[[], Client]) -> None:
    tried(client, TOUCH, made)
    assert {"here", "host2"} in votes(lan)


TASKS = [
    by_one_node.test_a_plain_answer,
    by_one_node.test_a_file_is_read_and_told,
    by_one_node.test_a_file_is_edited_after_it_was_read,
    by_one_node.test_two_calls_come_in_one_answer,
    by_one_node.test_a_loop_goes_on_for_steps_until_it_ends_by_itself,
    by_one_node.test_the_title_is_asked_for_at_the_same_time,
]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__.removeprefix("test_"))
def test_what_one_node_does_is_done_by_the_vote_of_both(
    task: Callable[[Callable[[], Client]], None], lan: Network, client: Callable[[], Client]
) -> None:
    task(client)
    assert {"here", "host2"} in votes(lan)


def test_a_client_that_is_killed_frees_both(half_billion_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lan"
    folder.mkdir()
    with house(2, folder, "--workers", "2", "--model", str(half_billion_model)) as lan:
        nodes = [host.node for host in lan.hosts]
        here = Client.of(nodes[0], tmp_path / "client")
        with here.started("run", "--format", "json", "Go on for ever") as process:
            for node in nodes:
                node.wait_until(lambda node=node: is_at_work(node), 240)
            process.send_signal(signal.SIGKILL)
            process.wait(10)
            for node in nodes:
                node.wait_until(lambda node=node: not is_at_work(node), 30)


def is_at_work(node: RunningNode) -> bool:
    """Whether the node's engine reads or answers something; one that is amid a long step, as on
    cores that two nodes share, does not say what, and its figure is not a number.
    """
    return node.metric("swarm_engine_running") != 0


def test_it_goes_on_when_the_other_node_dies(lan: Network, client: Callable[[], Client]) -> None:
    lan.hosts[1].node.kill()
    tried(client, TOUCH, made)
    assert votes(lan)[-1] == {"here"}
