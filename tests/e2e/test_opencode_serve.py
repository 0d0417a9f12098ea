"""OpenCode as a server: driven by its own SDK, and from a terminal that is attached to it."""

import contextlib
import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import OPENCODE
from tests.e2e.nodes import RunningNode
from tests.e2e.opencode_client import PATIENCE_S, TRIES, Client, ModelFellShortError

pytestmark = [pytest.mark.needs("opencode-sdk"), pytest.mark.timeout(1800)]

ASKS = (
    'Create a file named hello.txt with the text "hello world"',
    'Create hello.txt containing "hello world"',
    'Write the text "hello world" to the file hello.txt',
)
DRIVE = Path(__file__).parent / "opencode/drive.mjs"
_CONTROLS = re.compile(r"\x1b(?:\[[0-9;?>=<$]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\)|.)", re.DOTALL)


@pytest.fixture
def client(nano: RunningNode, tmp_path: Path) -> Callable[[], Client]:
    numbers = itertools.count()
    return lambda: Client.of(nano, tmp_path / str(next(numbers)))


@contextlib.contextmanager
def serving(client: Client) -> Iterator[str]:
    """The address of a server of OpenCode in the client's project."""
    with client.started("serve") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"listening on (http://\S+)", line):
                yield found[1]
                return
        raise AssertionError(process.communicate())


def driven(client: Client, ask: str) -> Any:
    """What the SDK saw."""
    with serving(client) as url:
        done = subprocess.run(
            ["node", str(DRIVE), url, str(client.project), ask, "hello.txt"],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_sdk_has_a_file_written_and_reads_it(client: Callable[[], Client]) -> None:
    seen: list[Any] = []
    for ask in ASKS:
        here = client()
        told = driven(here, ask)
        kinds = {event["type"] for event in told["events"]}
        assert {"session.created", "message.part.updated", "session.idle"} <= kinds
        assert "session.error" not in kinds
        parts = [part for message in told["messages"] for part in message["parts"]]
        calls = [part for part in parts if part["type"] == "tool"]
        file = here.project / "hello.txt"
        if file.is_file() and file.read_text() == "hello world":
            assert told["file"]["content"] == "hello world"
            assert "write" in [call["tool"] for call in calls]
            assert "file.edited" in kinds
            assert told["answer"]["info"]["modelID"] == "swarm"
            return
        seen.append([call["state"]["input"] for call in calls])
    raise ModelFellShortError(str(seen))


class Terminal:
    """A terminal of 120 columns in which a program runs."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._raw = b""

    @classmethod
    @contextlib.contextmanager
    def running(cls, client: Client, *arguments: str) -> Iterator["Terminal"]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        process = subprocess.Popen(
            [str(OPENCODE), *arguments],
            cwd=client.project,
            env=client.environment(),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield cls(ours)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(ours)

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def wait(self, what: Callable[[str], bool], seconds: float = 60) -> bool:
        """Whether it held in time, of all that was shown."""
        deadline = time.monotonic() + seconds
        while not what(self.shown()):
            if time.monotonic() > deadline:
                return False
            if select.select([self._descriptor], [], [], 0.2)[0]:
                self._raw += os.read(self._descriptor, 1 << 16)
        return True

    def shown(self) -> str:
        return _CONTROLS.sub("", self._raw.decode(errors="replace"))


def wrote(terminal: Terminal, ask: str, file: Path) -> bool:
    """Whether what was typed led to the file, and the terminal showed it."""
    assert terminal.wait(lambda shown: "Ask anything" in shown), terminal.shown()
    terminal.type(ask)
    assert terminal.wait(lambda shown: ask[-20:] in shown), terminal.shown()
    terminal.type("\r")
    if not terminal.wait(lambda _: file.is_file() and file.read_text() == "hello world"):
        return False
    assert terminal.wait(lambda shown: f"Wrote {file.name}" in shown), terminal.shown()
    return True


def test_a_file_is_written_from_an_attached_terminal(client: Callable[[], Client]) -> None:
    for ask in (*ASKS, *ASKS)[:TRIES]:
        here = client()
        attach = ("attach", "--dir", str(here.project))
        with serving(here) as url, Terminal.running(here, *attach, url) as terminal:
            if wrote(terminal, ask, here.project / "hello.txt"):
                return
    raise ModelFellShortError("no file of this name and content was written")
