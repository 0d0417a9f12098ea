"""The real OpenCode, headless, in a home of its own; what it did, as its events say."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.clients.jsonc import put
from tests.conftest import OPENCODE
from tests.e2e.nodes import ROOT, RunningNode

PATIENCE_S = 110
TRIES = 5
NOTES = "The key is blue.\n"

_OFFLINE = (
    "OPENCODE_DISABLE_MODELS_FETCH",
    "OPENCODE_DISABLE_AUTOUPDATE",
    "OPENCODE_DISABLE_LSP_DOWNLOAD",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS",
    "OPENCODE_DISABLE_SHARE",
)


_CAREFUL = """\
{
  // A small model may call anything: of commands only those that the tests ask for are run.
  "permission": { "bash": { "*": "deny", "touch *": "allow" } },
}
"""


class ModelFellShortError(Exception):
    """The model did not do what was asked, though everything around it worked."""


@dataclass(frozen=True)
class Call:
    """A tool call that the client has executed."""

    tool: str
    arguments: Mapping[str, Any]
    message: str
    status: str
    output: str


@dataclass(frozen=True)
class Run:
    """What one `opencode run` printed."""

    events: Sequence[Mapping[str, Any]]
    status: int
    stderr: str

    @property
    def text(self) -> str:
        return "\n".join(event["part"]["text"] for event in self._of("text"))

    @property
    def session(self) -> str:
        return str(self.events[0]["sessionID"])

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        return self._of("error")

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """What each answer of the model has used."""
        return [event["part"]["tokens"] for event in self._of("step_finish")]

    @property
    def calls(self) -> list[Call]:
        parts = [event["part"] for event in self._of("tool_use")]
        return [
            Call(
                part["tool"],
                part["state"]["input"],
                part["messageID"],
                part["state"]["status"],
                str(part["state"].get("output") or part["state"].get("error")),
            )
            for part in parts
        ]

    def _of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


@dataclass(frozen=True)
class Client:
    """OpenCode in a project folder whose configuration `main.py --opencode` has written."""

    project: Path
    home: Path
    reach: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    """In such a block it is started where the node is."""

    @classmethod
    def of(cls, node: RunningNode, folder: Path, *flags: str) -> "Client":
        project, home = folder / "project", folder / "home"
        project.mkdir(parents=True)
        home.mkdir()
        (project / "opencode.json").write_text(_CAREFUL)
        port = ["--port", str(node.port)]
        command = [sys.executable, str(ROOT / "main.py"), "--opencode", str(project), *port, *flags]
        with node.reach():
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return cls(project, home, node.reach)

    def run(self, *arguments: str) -> Run:
        """`opencode run`; every call that the model made was read by the client."""
        with self.started("run", "--format", "json", *arguments) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        ran = Run(events, process.returncode, err)
        assert events, f"OpenCode said nothing: {err[-2000:]}"
        assert not [call for call in ran.calls if call.tool == "invalid"], ran.calls
        return ran

    def told(self, *arguments: str) -> Any:
        """What another command prints as JSON."""
        with self.started(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, err
        return json.loads(out)

    def parts(self, session: str) -> list[Mapping[str, Any]]:
        """Every part of every message of a session."""
        told = self.told("export", session)
        return [part for message in told["messages"] for part in message["parts"]]

    def configure(self, *path: str, value: Any) -> None:
        """Say more in the project's configuration."""
        file = self.project / "opencode.json"
        file.write_text(put(file.read_text(), path, value))

    @contextlib.contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """A command that runs; ended with all that it started, whatever happened."""
        with self.reach():
            process = subprocess.Popen(
                [str(OPENCODE), *arguments],
                cwd=self.project,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def environment(self) -> dict[str, str]:
        home = str(self.home)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "HOME": home,
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_STATE_HOME": f"{home}/.local/state",
            "XDG_CACHE_HOME": f"{home}/.cache",
            **dict.fromkeys(_OFFLINE, "1"),
        }


def tried(
    client: Callable[[], Client], asks: list[str], done: Callable[[Client, Run], bool]
) -> tuple[Client, Run]:
    """The first run that did it. `asks`: wordings of one task, in turn."""
    seen: list[str] = []
    for at in range(TRIES):
        here = client()
        (here.project / "notes.txt").write_text(NOTES)
        (here.project / "app.py").write_text('name = "old"\nprint(name)\n')
        ran = here.run(asks[at % len(asks)])
        assert not ran.errors, ran.errors
        if done(here, ran):
            return here, ran
        seen.append(f"{[(c.tool, dict(c.arguments)) for c in ran.calls]} {ran.text!r}")
    raise ModelFellShortError("\n".join(seen))
