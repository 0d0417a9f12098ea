"""Package managers in either sandbox, with the network granted, against a registry of our own."""

import asyncio
import base64
import hashlib
import http.server
import io
import json
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tools.bounds import Bounds, Sandbox
from tools.command import run_to_end

WHEEL = "tiny_thing-1.0-py3-none-any.whl"


def wheel() -> bytes:
    """The smallest package that pip installs."""
    about = "tiny_thing-1.0.dist-info"
    files = {
        "tiny_thing.py": "answer = 42\n",
        f"{about}/METADATA": "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def tarball() -> bytes:
    """The smallest package that npm installs."""
    files = {
        "package/package.json": json.dumps({"name": "tiny-thing", "version": "1.0.0"}),
        "package/index.js": "module.exports = 42\n",
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


@pytest.fixture
def registry() -> Iterator[str]:
    """Serves both packages on this machine."""
    packed, packed_js = wheel(), tarball()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            digest = base64.b64encode(hashlib.sha512(packed_js).digest()).decode()
            version = {
                "name": "tiny-thing",
                "version": "1.0.0",
                "dist": {"tarball": f"{base}/tiny.tgz", "integrity": f"sha512-{digest}"},
            }
            pages = {
                "/simple/tiny-thing/": f"<a href='/{WHEEL}'>{WHEEL}</a>".encode(),
                f"/{WHEEL}": packed,
                "/tiny.tgz": packed_js,
                "/tiny-thing": json.dumps(
                    {
                        "name": "tiny-thing",
                        "dist-tags": {"latest": "1.0.0"},
                        "versions": {"1.0.0": version},
                    }
                ).encode(),
            }
            page = pages.get(self.path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html" if "simple" in self.path else "x/x")
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, format: str, *args: object) -> None:
            """It says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def networked(sandbox: Sandbox, bounds: Bounds) -> Sandbox:
    """With a network, and with the Python that runs these tests."""
    python = Path(sys.base_prefix).resolve()
    own = () if python.is_relative_to("/usr") else (python,)
    granted = replace(bounds, network="all", readable=own)
    return replace(sandbox, bounds=granted)  # type: ignore[type-var]


async def output(sandbox: Sandbox, bounds: Bounds, script: str) -> str:
    launch = await asyncio.to_thread(sandbox.launch, script, str(bounds.workspace))
    return (await run_to_end(launch, timeout_s=110, emit=str)).output


async def test_pip_installs(networked: Sandbox, bounds: Bounds, registry: str) -> None:
    script = (
        "python3 -m venv v && v/bin/python -m pip install -q --no-input "
        f"--index-url {registry}/simple tiny-thing && "
        "v/bin/python -c 'import tiny_thing; print(tiny_thing.answer)'"
    )
    assert (await output(networked, bounds, script)).splitlines()[-1] == "42"


@pytest.mark.needs("npm")
async def test_npm_installs(networked: Sandbox, bounds: Bounds, registry: str) -> None:
    script = (
        f"echo '{{}}' > package.json && npm install --registry {registry} --no-audit tiny-thing "
        "&& node -p 'require(\"tiny-thing\")'"
    )
    assert (await output(networked, bounds, script)).splitlines()[-1] == "42"


async def test_without_the_grant_they_do_not(
    sandbox: Sandbox, bounds: Bounds, registry: str
) -> None:
    script = (
        f"python3 -c 'import urllib.request as u; u.urlopen(\"{registry}/tiny-thing\")'; echo $?"
    )
    assert (await output(sandbox, bounds, script)).splitlines()[-1] != "0"
