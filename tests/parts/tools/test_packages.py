"""Package managers in the sandboxes against a registry of our own: with the network granted, and
through the proxy, which lets them to that registry and nowhere else.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import http.server
import io
import json
import shutil
import ssl
import sys
import tarfile
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools.bounds import Bounds, Sandbox
from tools.bubblewrap import Bubblewrap
from tools.command import run_to_end
from tools.proxy import AllowList, PackageProxy
from tools.sandbox import find_bash

NAME, ELSEWHERE = "registry.example", "elsewhere.example"
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


@cache
def tarball() -> bytes:
    """The smallest package that npm installs; made once, for gzip writes the second into it."""
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


@dataclass
class Registry:
    """Serves both packages on this machine, by TLS where it has a certificate."""

    certificate: Path | None = None
    heard: list[str] = field(default_factory=list[str])
    port: int = 0

    @property
    def url(self) -> str:
        return (
            f"https://{NAME}:{self.port}" if self.certificate else f"http://127.0.0.1:{self.port}"
        )

    def page(self, path: str) -> bytes | None:
        packed_js = tarball()
        digest = base64.b64encode(hashlib.sha512(packed_js).digest()).decode()
        version = {
            "name": "tiny-thing",
            "version": "1.0.0",
            "dist": {"tarball": f"{self.url}/tiny.tgz", "integrity": f"sha512-{digest}"},
        }
        tags = {"dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
        pages = {
            "/simple/tiny-thing/": f"<a href='/{WHEEL}'>{WHEEL}</a>".encode(),
            f"/{WHEEL}": wheel(),
            "/tiny.tgz": packed_js,
            "/tiny-thing": json.dumps({"name": "tiny-thing", **tags}).encode(),
        }
        return pages.get(path)

    @contextlib.contextmanager
    def serving(self) -> Iterator["Registry"]:
        registry = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.heard.append(self.path)
                page = registry.page(self.path)
                self.send_response(404 if page is None else 200)
                self.send_header("Content-Type", "text/html" if "simple" in self.path else "x/x")
                self.end_headers()
                self.wfile.write(page or b"")

            def log_message(self, format: str, *args: object) -> None:
                """It says nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.daemon_threads = False
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield self
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def registry() -> Iterator[str]:
    with Registry().serving() as running:
        yield running.url


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
    said = await output(networked, bounds, script)
    assert said.splitlines()[-1] == "42", said


async def test_without_the_grant_they_do_not(
    sandbox: Sandbox, bounds: Bounds, registry: str
) -> None:
    script = (
        f"python3 -c 'import urllib.request as u; u.urlopen(\"{registry}/tiny-thing\")'; echo $?"
    )
    assert (await output(sandbox, bounds, script)).splitlines()[-1] != "0"


def certificate(file: Path) -> Path:
    """A key, and a certificate that it signed itself, for both names."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a registry of the tests")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(each) for each in (NAME, ELSEWHERE)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(key.private_bytes(pem, *plain) + made.public_bytes(pem))
    return file


@pytest.fixture
def by_tls(tmp_path: Path, bounds: Bounds) -> Iterator[Registry]:
    """A registry whose certificate lies in the workspace, for package managers to trust."""
    with Registry(certificate(tmp_path / "pair.pem")).serving() as running:
        whole = (tmp_path / "pair.pem").read_text()
        (bounds.workspace / "ca.pem").write_text(whole[whole.index("-----BEGIN CERT") :])
        yield running


@pytest_asyncio.fixture
async def proxied(tmp_path: Path, bounds: Bounds, by_tls: Registry) -> AsyncIterator[Sandbox]:
    """A sandbox whose proxy knows the registry's name; another name leads there too, unlisted."""
    program = await asyncio.to_thread(shutil.which, "bwrap")
    assert program is not None

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    allowed = AllowList.of([f"{NAME}:{by_tls.port}", f"127.0.0.1:{by_tls.port}"])
    async with PackageProxy(tmp_path / "proxy", allowed, resolve=resolve) as proxy:
        base = await asyncio.to_thread(Path(sys.base_prefix).resolve)
        own = () if base.is_relative_to("/usr") else (base,)
        granted = replace(bounds, network="packages", proxy=proxy.path, readable=own)
        bash = await asyncio.to_thread(find_bash)
        yield Bubblewrap(program, bash, granted)


PIP = "v/bin/python -m pip install -q --no-input --retries 0 --cert ca.pem --index-url {url}/simple"
NPM = "npm install --cafile ca.pem --no-audit --fetch-retries 0 --registry {url} tiny-thing"


@pytest.mark.needs("bubblewrap")
async def test_pip_installs_through_the_proxy(
    proxied: Sandbox, bounds: Bounds, by_tls: Registry
) -> None:
    script = (
        f"python3 -m venv v && {PIP.format(url=by_tls.url)} tiny-thing && "
        "v/bin/python -c 'import tiny_thing; print(tiny_thing.answer)'"
    )
    assert (await output(proxied, bounds, script)).splitlines()[-1] == "42"


@pytest.mark.needs("bubblewrap", "npm")
async def test_npm_installs_through_the_proxy(
    proxied: Sandbox, bounds: Bounds, by_tls: Registry
) -> None:
    script = (
        f"echo '{{}}' > package.json && {NPM.format(url=by_tls.url)} && "
        "node -p 'require(\"tiny-thing\")'"
    )
    said = await output(proxied, bounds, script)
    assert said.splitlines()[-1] == "42", said


@pytest.mark.needs("bubblewrap", "npm")
async def test_another_host_is_not_reached_through_the_proxy(
    proxied: Sandbox, bounds: Bounds, by_tls: Registry
) -> None:
    elsewhere = by_tls.url.replace(NAME, ELSEWHERE)
    script = (
        f"echo '{{}}' > package.json; {NPM.format(url=elsewhere)}; ls node_modules; "
        f"python3 -c 'import urllib.request as u; u.urlopen(\"{elsewhere}/tiny-thing\")'"
    )
    said = await output(proxied, bounds, script)
    assert said.count("403") >= 2, "npm and Python are told"
    assert by_tls.heard == []


WAYS_PAST = {
    "straight": "connect(('127.0.0.1', {port}))",
    "straight, by UDP": "connect(('127.0.0.1', {port}), s.SOCK_DGRAM)",
    "to the internet": "connect(('1.1.1.1', 443))",
    "by a name": "connect(('registry.example', {port}))",
    "a port that is not listed": "tunnel('registry.example:22')",
    "an address that is not listed": "tunnel('127.0.0.2:{port}')",
    "the node itself": "tunnel('127.0.0.1:17615')",
    "plain http": "tunnel('', b'GET http://registry.example:{port}/tiny-thing HTTP/1.1')",
    "the socket itself": "tunnel('elsewhere.example:{port}', way='/run/swarm/proxy')",
}
_TRIES = """
import socket as s
def connect(place, kind=s.SOCK_STREAM):
    c = s.socket(s.AF_INET, kind); c.settimeout(5); c.connect(place)
    c.sendall(b'GET /tiny-thing HTTP/1.0\r\n\r\n'); print(c.recv(100))
def tunnel(place, head=b'', way=('127.0.0.1', 3128)):
    c = s.socket(s.AF_UNIX if isinstance(way, str) else s.AF_INET); c.settimeout(5)
    c.connect(way); c.sendall((head or f'CONNECT {place} HTTP/1.1'.encode()) + b'\r\n\r\n')
    print(c.recv(100))
"""


@pytest.mark.needs("bubblewrap")
@pytest.mark.parametrize("how", WAYS_PAST)
async def test_no_way_leads_past_the_proxy(
    proxied: Sandbox, bounds: Bounds, by_tls: Registry, how: str
) -> None:
    tries = f"{_TRIES}\n{WAYS_PAST[how].format(port=by_tls.port)}\n"
    await asyncio.to_thread((bounds.workspace / "try.py").write_text, tries)
    said = await output(proxied, bounds, "python3 try.py")
    assert "Error" in said or " 403 " in said or " 405 " in said, said
    assert by_tls.heard == []


@pytest.mark.needs("bubblewrap")
async def test_nothing_of_the_way_to_the_proxy_is_left(proxied: Sandbox, bounds: Bounds) -> None:
    """The command has no child that it did not start, and its output ends with it."""
    said = await output(proxied, bounds, "sleep 0.1 & wait; jobs; echo $?; (exit 7)")
    assert said == "0\n"
