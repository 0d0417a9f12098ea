"""A model that is named and not here: brought from a hub, planned, served under its name."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.models import TINY, random_model
from tests.e2e.nodes import ROOT

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


def explained(name: str, home: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "--auto", "--explain", "--model", name],
        cwd=home,
        env={**os.environ, "HF_HOME": str(home), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_model_of_the_hub_is_brought_once_and_planned(endpoint: str, tmp_path: Path) -> None:
    name = "hf:me/mine/tiny.gguf"
    first = explained(name, tmp_path, HF_ENDPOINT=endpoint)
    assert first.returncode == 0, first.stderr
    assert "context 4096 tokens" in first.stdout
    again = explained(name, tmp_path, HF_HUB_OFFLINE="1")
    assert again.stdout.splitlines()[1] == first.stdout.splitlines()[1]


def test_without_a_network_the_bundled_model_is_served_and_says_so(tmp_path: Path) -> None:
    said = explained("qwen2.5-coder:0.5b", tmp_path, HF_HUB_OFFLINE="1")
    assert said.returncode == 0, said.stderr
    assert "the small bundled model, because qwen2.5-coder:0.5b:" in said.stdout
    assert "offline mode is on" in said.stdout
