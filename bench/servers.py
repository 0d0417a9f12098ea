"""Starts our node and llama.cpp's own server, each on a free loopback port, and ends them.

Both serve the same file with the same number of threads. They may be up at the same time, for
an idle one waits without work, but a benchmark never asks both at once.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from bench.models import ROOT
from tests.ports import free_port

LLAMA_SERVER = ROOT / "build" / "llama" / "bin" / "llama-server"
THREADS = 2
START_S = 120.0
STOP_S = 15.0
LLAMA_STOP_S = 2.0
"""llama-server does not end while it has an answer without an end that nobody waits for."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its name in tables, its address, its process."""

    name: str
    url: str
    pid: int

    def processes(self) -> list[psutil.Process]:
        """The server's process and all below it."""
        process = psutil.Process(self.pid)
        return [process, *process.children(recursive=True)]


@contextlib.contextmanager
def node(
    model: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Our node, serving one file."""
    port = free_port()
    command = [sys.executable, str(ROOT / "main.py"), "--auto", "--no-federation", "--quiet"]
    command += ["--port", str(port), "--model", str(model), "--threads", str(THREADS), *options]
    with _running("node", command, port, environment or {}, STOP_S) as server:
        yield server


@contextlib.contextmanager
def llama_server(model: Path, *options: str) -> Iterator[Server]:
    """llama.cpp's server, its host-memory cache of prompts off: nothing here would profit."""
    if not LLAMA_SERVER.exists():
        sys.exit(f"{LLAMA_SERVER} is missing; `make setup` builds it")
    port = free_port()
    command = [str(LLAMA_SERVER), "--model", str(model), "--host", "127.0.0.1"]
    command += ["--port", str(port), "--threads", str(THREADS), "--no-ui", "--cache-ram", "0"]
    with _running("llama-server", [*command, *options], port, {}, LLAMA_STOP_S) as server:
        yield server


@contextlib.contextmanager
def _running(
    name: str, command: Sequence[str], port: int, environment: Mapping[str, str], stop_s: float
) -> Iterator[Server]:
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        server = Server(name, f"http://127.0.0.1:{port}", process.pid)
        try:
            _wait_until_healthy(server, process, log)
            yield server
        finally:
            _end(process, stop_s)


def _wait_until_healthy(server: Server, process: subprocess.Popen[bytes], log: IO[str]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _healthy(server):
            return
        time.sleep(0.1)
    log.seek(0)
    sys.exit(f"{server.name} did not become healthy:\n{log.read()[-3000:]}")


def _healthy(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/health", timeout=5) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _end(process: subprocess.Popen[bytes], stop_s: float) -> None:
    """Ask the process to end; kill whatever of it is left, children with it."""
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    try:
        process.wait(stop_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
