"""One machine's tools, used by another of its federation; nobody types a token."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation.trust import encode_code, new_secret
from tests.e2e.hosts import Host, Network, network
from tests.e2e.house import start_member, wait_together

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.needs("bubblewrap")]

SERVER = ("--tool-server", "--tool-host", "--workspace", "work")


@pytest.fixture(scope="module")
def lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """host1 has the tools, host2 uses them, host3 is of another federation."""
    with network(3, tmp_path_factory.mktemp("lan")) as lan:
        tooled, using, stranger = lan.hosts
        there = together(tooled, using)
        start_member(stranger, encode_code(new_secret()), "--tool-host", there)
        stranger.node.wait_ready()
        yield lan


def together(tooled: Host, using: Host) -> str:
    """Make them one federation, in which the one uses the other's tools; where those are."""
    (tooled.folder / "work").mkdir()
    code = encode_code(new_secret())
    start_member(tooled, code, *SERVER)
    there = f"http://{tooled.ipv4}:17616"
    start_member(using, code, "--tool-host", there)
    wait_together([tooled, using])
    return there


def execute(host: Host, name: str, **arguments: object) -> tuple[int, Any]:
    status, text = host.post("/v1/tools/execute", {"name": name, "arguments": arguments})
    return status, json.loads(text)


def token_of(host: Host) -> str:
    return (host.state / "tool-token").read_text().strip()


def test_a_node_runs_tools_on_the_machine_that_has_them(lan: Network) -> None:
    tooled, using, _ = lan.hosts
    status, listed = using.get("/v1/tools")
    assert (status, len(json.loads(listed)["data"])) == (200, 12)
    assert execute(using, "write", filePath="a.txt", content="by another")[0] == 200
    assert (tooled.folder / "work/a.txt").read_text() == "by another"
    status, told = execute(using, "bash", command="pwd; cat a.txt")
    assert told["output"].splitlines() == [str(tooled.folder / "work"), "by another"]
    assert execute(using, "read", filePath="../state/tool-token")[0] == 403
    assert f"tool bash ran on http://{tooled.ipv4}:17616 for" in using.node.said()
    assert "tool bash ran here for" in tooled.node.said()


def test_its_own_door_has_them_too(lan: Network) -> None:
    status, told = execute(lan.hosts[0], "bash", command="echo here")
    assert (status, told["output"]) == (200, "here")


def test_another_federation_is_told_no_token(lan: Network) -> None:
    status, told = execute(lan.hosts[2], "bash", command="touch got-in")
    assert status == 422
    assert "no machine of this federation" in told["error"]["message"]
    assert not (lan.hosts[0].folder / "work/got-in").exists()


def test_a_server_that_starts_again_with_another_token_is_found_again(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        tooled, using = lan.hosts
        together(tooled, using)
        assert execute(using, "bash", command="true")[0] == 200
        old = token_of(tooled)
        tooled.node.end()
        status, told = execute(using, "bash", command="true")
        assert (status, "the tool server" in told["error"]["message"]) == (422, True)
        (tooled.state / "tool-token").unlink()
        tooled.start_node(*SERVER)
        wait_together([tooled, using])
        assert token_of(tooled) != old
        assert execute(using, "bash", command="echo again")[1]["output"] == "again"


def test_the_token_is_said_nowhere(lan: Network) -> None:
    tooled, using, stranger = lan.hosts
    execute(using, "bash", command="true")
    token = token_of(tooled)
    for host in lan.hosts:
        paths = ("/v1/federation/diagnostics", "/v1/federation/peers", "/metrics")
        told = [host.get(path)[1] for path in paths]
        assert token not in " ".join([*told, host.node.said()])
    kept = [file for host in (using, stranger) for file in host.folder.rglob("*") if file.is_file()]
    assert not [file for file in kept if token.encode() in file.read_bytes()]
