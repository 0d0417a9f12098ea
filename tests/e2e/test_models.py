"""A model that is not here: brought from a hub, planned, served; by name, or because it is best."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.models import TINY, random_model
from federation.trust import encode_code, new_secret
from swarm.models.local import BUNDLED_PATH
from tests.e2e.hosts import network
from tests.e2e.house import start_member
from tests.e2e.nodes import ROOT, RunningNode, running_node

pytestmark = pytest.mark.e2e

COMMIT = "c" * 40


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[str]:
    data = random_model(TINY, folder=tmp_path / "hub").read_bytes()

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def explained(name: str, home: Path, **environ: str) -> str:
    said = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--auto", "--explain", "--model", name],
        cwd=home,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return said.stdout


def test_a_model_of_the_hub_is_brought_by_a_node_once_and_planned_from_then_on(
    endpoint: str, tmp_path: Path
) -> None:
    name, hub = "hf:me/mine/tiny.gguf", str(tmp_path / "hub")
    assert "needs the file" in explained(name, tmp_path, HF_HOME=hub, HF_ENDPOINT=endpoint)
    with running_node(
        tmp_path, "--model", name, HF_HOME=hub, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0"
    ) as node:
        assert default(node) == name
    assert "context 4096 tokens" in explained(name, tmp_path, HF_HOME=hub, HF_HUB_OFFLINE="1")


def test_without_a_network_the_bundled_model_is_served_and_says_so(tmp_path: Path) -> None:
    with running_node(tmp_path, "--model", "qwen2.5-coder:0.5b", HF_HUB_OFFLINE="1") as node:
        said = node.said()
        assert default(node) == "swarm-nano"
    assert "the small bundled model, because qwen2.5-coder:0.5b:" in said
    assert "offline mode is on" in said


CARD = """
family = "best"
purpose = "code"
tool_calls = "hermes"
[[models]]
size = "1000b"
parameters = 1_000_000_000_000
active_parameters = 1_000_000
context_tokens = 4096
sources = ["made for this test"]
shape = {{layers = 2, heads = 2, kv_heads = 2, head_width = 16, vocabulary = 1000}}
releases = [{{quantisation = "4bit", format = "gguf", repository = "me/best", \
files = ["best.gguf"], size_bytes = {size}}}]
"""
"""Nothing of the catalogue is larger, and it runs well everywhere."""


def with_card(folder: Path, size_bytes: int) -> None:
    cards = folder / "models" / "cards"
    cards.mkdir(parents=True)
    (cards / "best.toml").write_text(CARD.format(size=size_bytes))


def size_of(endpoint: str) -> int:
    with urllib.request.urlopen(f"{endpoint}/best.gguf") as answer:
        return int(answer.headers["Content-Length"])


def successor(node: RunningNode) -> Any:
    return json.loads(node.get("/v1/federation/diagnostics")[1])["successor"]


def default(node: RunningNode) -> str:
    return str(node.sdk().models.retrieve("swarm").to_dict()["root"])


def test_the_bundled_model_answers_until_the_best_one_is_here(
    endpoint: str, tmp_path: Path
) -> None:
    with_card(tmp_path, size_of(endpoint))
    with running_node(tmp_path, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0") as node:
        assert "until best:1000b:4bit (" in node.said()
        node.wait_until(lambda: successor(node)["stage"] == "serving", 60)
        assert default(node) == "best:1000b:4bit"
        for model in ("swarm", "swarm-nano"):
            said = node.sdk().chat.completions.create(
                model=model, messages=[{"role": "user", "content": "hi"}], max_tokens=4
            )
            assert said.usage
        assert "best:1000b:4bit is the default model now" in node.said()
    with running_node(tmp_path) as again:
        assert default(again) == "best:1000b:4bit"
        assert "brought here earlier" in again.said()


def test_a_node_whose_hub_is_not_there_starts_at_once_and_says_why_once(tmp_path: Path) -> None:
    with_card(tmp_path, 1000)
    with running_node(tmp_path, HF_ENDPOINT="http://127.0.0.1:1", HF_HUB_OFFLINE="0") as node:
        node.wait_until(lambda: successor(node)["stage"] == "failed", 60)
        assert default(node) == "swarm-nano"
        assert "cannot be reached" in successor(node)["why"]
        assert node.said().count("cannot be reached") == 1


@pytest.mark.needs("namespaces")
def test_what_a_peer_has_is_copied_from_it_and_no_hub_is_asked(tmp_path: Path) -> None:
    with network(2, tmp_path) as lan:
        one, two = lan.hosts
        (one.folder / "models").mkdir()
        shutil.copy(BUNDLED_PATH, one.folder / "models" / "best.gguf")
        with_card(two.folder, BUNDLED_PATH.stat().st_size)
        code = encode_code(new_secret())
        start_member(one, code).wait_ready()
        node = start_member(two, code)
        node.wait_until(lambda: node.healthy() and successor(node)["stage"] == "serving", 60)
        assert default(node) == "best:1000b:4bit"
        assert "copying best.gguf from" in node.said()
        assert (two.folder / "hub" / "hub" / "from-peers" / "me--best" / "best.gguf").is_file()


def test_a_node_that_ends_leaves_no_download_behind(tmp_path: Path) -> None:
    """The hub accepts and says nothing; this test's own guard finds what is left over."""
    with_card(tmp_path, 1000)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with running_node(tmp_path, HF_ENDPOINT=endpoint, HF_HUB_OFFLINE="0") as node:
            node.wait_until(lambda: successor(node)["stage"] == "downloading", 60)
            family = psutil.Process(node.process.pid).children(recursive=True)
            assert node.end(seconds=10) == 0
            assert not [each for each in family if each.is_running()]
