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


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Of all tests but those that end a node or need another model."""
    with house(2, tmp_path_factory.mktemp("lan"), "--workers", "2") as lan:
        yield lan


@pytest.fixture
def client(lan: Network, tmp_path: Path) -> Callable[[], Client]:
    return clients(lan, tmp_path)


def clients(lan: Network, folder: Path) -> Callable[[], Client]:
    """OpenCode on the first host, each time in a project of its own."""
    numbers = itertools.count()
    return lambda: Client.of(lan.hosts[0].node, folder / str(next(numbers)))


Votes = Callable[[], list[set[str]]]


@pytest.fixture
def votes(lan: Network) -> Votes:
    """The nodes whose workers had part in each verdict of the first host since the test began."""
    before = {verdict["at"] for verdict in verdicts(lan)}
    return lambda: [nodes_of(each) for each in verdicts(lan) if each["at"] not in before]


def verdicts(lan: Network) -> list[Any]:
    return diagnostics(lan.hosts[0])["verdicts"]


def nodes_of(verdict: Any) -> set[str]:
    return {worker["voter"].rpartition("/")[0] or "here" for worker in verdict["workers"]}


def made(here: Client, _: Run) -> bool:
    return (here.project / "made.txt").is_file()


def test_a_file_is_written_by_the_vote_of_both(client: Callable[[], Client], votes: Votes) -> None:
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
    assert {"here", "host2"} in votes()


def test_a_command_is_run_by_the_vote_of_both(client: Callable[[], Client], votes: Votes) -> None:
    tried(client, TOUCH, made)
    assert {"here", "host2"} in votes()


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
    task: Callable[[Callable[[], Client]], None], client: Callable[[], Client], votes: Votes
) -> None:
    task(client)
    assert {"here", "host2"} in votes()


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


def test_it_goes_on_when_the_other_node_dies(tmp_path: Path) -> None:
    folder = tmp_path / "lan"
    folder.mkdir()
    with house(2, folder, "--workers", "2") as lan:
        lan.hosts[1].node.kill()
        tried(clients(lan, tmp_path), TOUCH, made)
        assert nodes_of(verdicts(lan)[-1]) == {"here"}
