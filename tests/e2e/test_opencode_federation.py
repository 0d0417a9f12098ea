"""The real OpenCode on a host whose node votes together with another host's: files on disk."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.hosts import Network
from tests.e2e.house import diagnostics, house
from tests.e2e.opencode_client import Client, Run, tried

pytestmark = [pytest.mark.needs("opencode", "namespaces"), pytest.mark.timeout(900)]


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


def test_it_goes_on_when_the_other_node_dies(lan: Network, client: Callable[[], Client]) -> None:
    lan.hosts[1].node.kill()
    tried(client, TOUCH, made)
    assert votes(lan)[-1] == {"here"}
