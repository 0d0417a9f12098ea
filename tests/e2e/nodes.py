"""Whole nodes as a person starts them: `main.py --auto` in a process of its own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import psutil

import main
from tests.ports import free_port

ROOT = Path(main.__file__).parent
ANSWER_S = 240.0
"""Long for whatever is asked here: only who has stopped for good takes longer."""


@dataclass
class RunningNode:
    """A node that was started, and ways to look at it from outside."""

    port: int
    process: subprocess.Popen[bytes]
    output: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def sdk(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=self.base_url,
            api_key="none",
            **{"max_retries": 0, "timeout": ANSWER_S, **options},
        )

    def async_sdk(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self.base_url, api_key="none", max_retries=0, timeout=ANSWER_S
        )

    def reach(self) -> AbstractContextManager[None]:
        """Connections that are opened in the block reach the node at 127.0.0.1."""
        return contextlib.nullcontext()

    def connect(self, timeout_s: float = 30) -> socket.socket:
        with self.reach():
            return socket.create_connection(("127.0.0.1", self.port), timeout_s)

    def get(self, path: str) -> tuple[int, str]:
        """Status and text; status 0 where nobody listens. Who listens has to answer."""
        return self._ask(path)

    def post(self, path: str, body: object) -> tuple[int, str]:
        """As get, with `body` as JSON."""
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, data: bytes | None = None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"} if data is not None else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, headers)
        try:
            with self.reach(), urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except TimeoutError:
            raise
        except OSError:
            return 0, ""

    def wait_ready(self) -> None:
        self.wait_until(lambda: self.process.poll() is not None or self.healthy(), 120)
        assert self.process.poll() is None, self.said()

    def healthy(self) -> bool:
        return self.get("/health")[0] == 200

    def metric(self, name: str) -> float:
        """A figure of /metrics; not a number where the engine did not answer."""
        lines = self.get("/metrics")[1].splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{"))]
        return float(found[0].split()[-1])

    def engine(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if "swarm.engines.child" in child.cmdline())

    def said(self) -> str:
        return self.output.read_text()

    def wait_until(self, what: Any, seconds: float) -> float:
        """Wait until `what()` holds; returns how long that took."""
        began = time.monotonic()
        while not what():
            waited = time.monotonic() - began
            assert waited < seconds, f"not within {seconds} s\n{self.said()[-3000:]}"
            time.sleep(0.02)
        return time.monotonic() - began

    def end(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(number)
        return self.process.wait(seconds)


def without_hub(folder: Path) -> dict[str, str]:
    """What keeps a node from the models of this machine's user, and from bringing one here."""
    return {"HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "1"}


@contextlib.contextmanager
def running_node(
    folder: Path,
    *flags: str,
    wait: bool = True,
    port: int | None = None,
    stdout: int | None = None,
    **environ: str,
) -> Iterator[RunningNode]:
    """A node that is ready to answer; ended at the end, whatever happened.

    It has no models but those of the folder, and asks no hub where none is given. What it prints
    goes to the file descriptor `stdout` where one is given, to its output with its log otherwise.
    """
    port = port or free_port()
    output = folder / f"node-{port}.txt"
    command = [sys.executable, str(ROOT / "main.py"), "--auto", "--no-federation"]
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port), *flags],
            cwd=folder,
            env={**os.environ, **without_hub(folder), **environ},
            stdin=subprocess.DEVNULL,
            stdout=file if stdout is None else stdout,
            stderr=file,
        )
    node = RunningNode(port, process, output)
    try:
        if wait:
            node.wait_ready()
        yield node
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def events_of(text: str) -> list[Any]:
    """The JSON events of a stream's text; comments and the end mark are left out."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]
