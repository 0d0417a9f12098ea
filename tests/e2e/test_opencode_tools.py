"""The real OpenCode uses the tools of a tool server, by its own client of MCP."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.nodes import RunningNode, running_node
from tests.e2e.opencode_client import PATIENCE_S, Client, Run, tried
from tests.ports import free_port

pytestmark = [pytest.mark.needs("opencode", "bubblewrap"), pytest.mark.timeout(1800)]

TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True)
class Tooled:
    """A node with a tool server that asks for a token, and its workspace."""

    node: RunningNode
    work: Path
    port: int

    def client(self, folder: Path, *, token: str = TOKEN) -> Client:
        """A client that has no tools but those of the server that write and that run commands."""
        here = Client.of(self.node, folder)
        server = {
            "type": "remote",
            "url": f"http://127.0.0.1:{self.port}/mcp",
            "headers": {"Authorization": f"Bearer {token}"},
            "oauth": False,
        }
        here.configure("mcp", "house", value=server)
        here.configure("permission", "bash", value="deny")
        offered = {"*": False, "house_write": True, "house_bash": True}
        here.configure("tools", value=offered)
        return here


@pytest.fixture(scope="module")
def tooled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tooled]:
    folder = tmp_path_factory.mktemp("tooled")
    (folder / "swarm.toml").write_text(f'tool_token = "{TOKEN}"\n')
    (folder / "work").mkdir()
    port = free_port()
    flags = ("--tool-server", "--tool-port", str(port), "--workspace", str(folder / "work"))
    with running_node(folder, *flags) as node:
        yield Tooled(node, folder / "work", port)


@pytest.fixture
def client(tooled: Tooled, tmp_path: Path) -> Callable[[], Client]:
    numbers = itertools.count()
    return lambda: tooled.client(tmp_path / str(next(numbers)))


def listed(client: Client) -> str:
    with client.started("mcp", "list") as process:
        return process.communicate(timeout=PATIENCE_S)[0]


def test_it_connects_with_the_token_alone(tooled: Tooled, tmp_path: Path) -> None:
    assert "house \x1b[90mconnected" in listed(tooled.client(tmp_path / "right"))
    assert "connected" not in listed(tooled.client(tmp_path / "wrong", token="wrong"))


def test_a_file_is_written_on_the_machine_with_the_tools(
    tooled: Tooled, client: Callable[[], Client]
) -> None:
    def written(here: Client, ran: Run) -> bool:
        assert {call.tool for call in ran.calls} <= {"house_write", "house_bash"}
        assert not (here.project / "hello.txt").exists()
        return any(
            call.tool == "house_write"
            and call.status == "completed"
            and call.arguments["content"] == "hello world"
            and f"{tooled.work}/hello.txt" in call.output
            for call in ran.calls
        )

    asks = [
        'Create a file named hello.txt with the text "hello world"',
        'Write the text "hello world" to the file hello.txt',
    ]
    tried(client, asks, written)
    assert (tooled.work / "hello.txt").is_file()
    assert "tool write ran here" in tooled.node.said()


def test_a_command_runs_in_the_sandbox(tooled: Tooled, client: Callable[[], Client]) -> None:
    def made(here: Client, _: Run) -> bool:
        return (tooled.work / "made.txt").is_file() and not (here.project / "made.txt").exists()

    asks = ["Run the command touch made.txt", "Run `touch made.txt`", "Execute touch made.txt"]
    tried(client, asks, made)
