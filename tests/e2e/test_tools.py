"""A node with a tool server, as a person starts it, used from outside."""

import json
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.nodes import running_node
from tests.ports import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.needs("bubblewrap")]


def test_a_node_runs_tools_in_its_workspace(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    port = free_port()
    flags = ("--tool-server", "--tool-port", str(port), "--workspace", str(tmp_path / "work"))
    with running_node(tmp_path, *flags) as node:
        assert f"http://127.0.0.1:{port}/mcp" in node.said()
        body = {"name": "bash", "arguments": {"command": "echo made > here; cat here"}}
        url = f"http://127.0.0.1:{port}/v1/tools/execute"
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.loads(answer.read())["output"] == "made"
        assert (tmp_path / "work/here").read_text() == "made\n"
        assert node.end() == 0
