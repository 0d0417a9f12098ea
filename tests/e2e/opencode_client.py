"""The real OpenCode, headless, in a home of its own; what it did, as its events say."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api.clients.jsonc import put
from tests.conftest import OPENCODE
from tests.e2e.nodes import ROOT, RunningNode

PATIENCE_S = 240
HANGS_S = 60
"""A client in which no answer of the model has ended for so long hangs."""
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

    @property
    def unread(self) -> list[Call]:
        """Calls that the client could not read, but for those of answers that a limit has cut."""
        ends = [event["part"] for event in self._of("step_finish")]
        cut = {end["messageID"] for end in ends if end["reason"] == "length"}
        return [each for each in self.calls if each.tool == "invalid" and each.message not in cut]

    def goes_on(self) -> bool:
        """Whether the model has ended an answer lately."""
        ends = [event["timestamp"] / 1000 for event in self._of("step_finish")]
        return bool(ends) and time.time() - ends[-1] < HANGS_S

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
        """`opencode run`; every call that the model made was read by the client.

        Raises ModelFellShortError where the model goes on and on.
        """
        with self.started("run", "--format", "json", *arguments) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired as late:
                ran = Run(_events((late.output or b"").decode()), 0, "")
                if not ran.goes_on():
                    raise
                raise ModelFellShortError(f"it went on after {len(ran.steps)} steps") from late
        ran = Run(_events(out), process.returncode, err)
        assert ran.events, f"OpenCode said nothing: {err[-2000:]}"
        assert not ran.unread, ran.calls
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
        temporary = self.home / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "HOME": home,
            "TMPDIR": str(temporary),
            "XDG_CONFIG_HOME": f"{home}/.config",
            "XDG_DATA_HOME": f"{home}/.local/share",
            "XDG_STATE_HOME": f"{home}/.local/state",
            "XDG_CACHE_HOME": f"{home}/.cache",
            **dict.fromkeys(_OFFLINE, "1"),
        }


def _events(out: str) -> list[Mapping[str, Any]]:
    """The whole ones; the last line may be a part of one."""
    return [json.loads(line) for line in out.split("\n")[:-1] if line.startswith("{")]


def tried(
    client: Callable[[], Client],
    asks: list[str],
    done: Callable[[Client, Run], bool],
    *,
    tries: int = TRIES,
) -> tuple[Client, Run]:
    """The first run that did it. `asks`: wordings of one task, in turn."""
    seen: list[str] = []
    for at in range(tries):
        here = client()
        (here.project / "notes.txt").write_text(NOTES)
        (here.project / "app.py").write_text('name = "old"\nprint(name)\n')
        try:
            ran = here.run(asks[at % len(asks)])
        except ModelFellShortError as short:
            seen.append(str(short))
            continue
        tried_to = f"{[(c.tool, dict(c.arguments)) for c in ran.calls]} {ran.text!r}"
        if {error["error"]["name"] for error in ran.errors} == {"ContextOverflowError"}:
            # It went on and on: OpenCode tells broken calls more than once where it sums up.
            seen.append(f"until nothing could be summed up any more: {tried_to}")
            continue
        assert not ran.errors, ran.errors
        if done(here, ran):
            return here, ran
        seen.append(tried_to)
    raise ModelFellShortError("\n".join(seen))
