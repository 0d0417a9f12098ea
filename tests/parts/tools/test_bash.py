"""Commands in the sandbox: what they see, what they say, how they end."""

import asyncio
import dataclasses
import time
from pathlib import Path

import psutil
import pytest

from tests.tools.conftest import Run
from tests.waiting import PATIENCE_S
from tools.bash import BASH, BashArguments, is_package_manager, seconds
from tools.bounds import Bounds
from tools.errors import NotPermitted, ToolError, ToolFailed
from tools.sandbox import Unconfined, find_bash
from tools.tool import CallContext, Output, Times
from tools.workspace import Workspace


async def test_a_command_works_on_the_workspace(shell: Run, workspace: Workspace) -> None:
    ended = await shell("mkdir -p a && echo hello > a/b && cat a/b && pwd")
    assert ended.text == f"hello\n{workspace.root}"
    assert await asyncio.to_thread((workspace.root / "a/b").read_text) == "hello\n"
    assert ended.metadata["exit"] == 0


async def test_its_folder_can_be_chosen_within(shell: Run, workspace: Workspace) -> None:
    await shell("mkdir a; touch a/b")
    assert (await shell("ls", workdir="a")).text == "b"
    assert (await shell("ls", workdir=f"{workspace.root}/a")).text == "b"
    with pytest.raises(ToolError):
        await shell("ls", workdir="..")
    with pytest.raises(ToolFailed, match="no folder"):
        await shell("ls", workdir="a/b")


async def test_errors_come_among_the_output_with_the_status(shell: Run) -> None:
    ended = await shell("echo one; echo two >&2; exit 3")
    assert ended.text == "one\ntwo\n[exit status 3]"
    assert (await shell("true")).text == "[no output]"


async def test_a_signal_is_told_as_shells_do(shell: Run) -> None:
    assert (await shell("kill -9 $$")).metadata["exit"] == 137


async def test_it_has_no_input(shell: Run) -> None:
    assert (await shell("cat; read x || echo none")).text == "none"


async def test_temporary_files_stay_from_command_to_command(shell: Run) -> None:
    await shell('echo kept > "$TMPDIR/x"; echo home > ~/y')
    assert (await shell('cat "$TMPDIR/x" ~/y')).text == "kept\nhome"


async def test_a_long_output_is_cut_with_a_mark(shell: Run) -> None:
    ended = await shell("seq 1 20000; echo the end")
    assert ended.text.startswith("1\n2\n3\n")
    assert ended.text.endswith("the end")
    assert len(ended.text) < 3300
    path = ended.text.partition("all of it is in ")[2].partition(",")[0]
    whole = await asyncio.to_thread(Path(path).read_text)
    assert whole.splitlines() == [*map(str, range(1, 20001)), "the end"]
    assert (await shell(f"wc -l < {path}")).text == "20001"


async def test_a_command_that_never_stops_saying_is_ended(shell: Run) -> None:
    ended = await shell("yes")
    assert ended.metadata["ending"] == "too much output"
    assert "more than" in ended.text


async def test_output_comes_while_it_runs(confined: CallContext) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    context = dataclasses.replace(confined, emit=said.put_nowait)
    command = "echo one; until [ -e go ]; do sleep 0.01; done; echo two"
    running = asyncio.create_task(BASH.run(BashArguments(command=command, timeout=60000), context))
    assert await said.get() == "one\n"
    await asyncio.to_thread(context.workspace.write, "go", b"")
    assert (await running).text == "one\ntwo"


async def test_a_character_that_comes_in_halves_stays_one(shell: Run) -> None:
    assert (await shell(r"printf '\xc3'; sleep 0.05; printf '\xa4'")).text == "ä"
    assert (await shell(r"printf '\xff'")).text == "\ufffd"


async def test_a_command_past_its_time_is_ended_with_a_mark(shell: Run) -> None:
    ended = await shell("echo begun; sleep 60", timeout=2000)
    assert ended.text.startswith("begun\n[ended after 2 s; `timeout` gives it more")
    assert ended.metadata["ending"] == "timed out"


def sleeping(mark: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if mark in (process.info["cmdline"] or [])]


def wait_for(mark: str, running: asyncio.Task[Output]) -> None:
    while not running.done() and not sleeping(mark):
        time.sleep(0.01)


@pytest.fixture
def unconfined(context: CallContext, bounds: Bounds) -> CallContext:
    return dataclasses.replace(context, sandbox=Unconfined(find_bash(), bounds))


async def test_without_a_sandbox_too_a_command_ends_with_its_shell(unconfined: CallContext) -> None:
    mark = f"{1000 + time.monotonic_ns() % 10**9 / 10**9:.9f}"
    command = f"sleep {mark} & seq 1 20000; exit 3"
    ended = await BASH.run(BashArguments(command=command, timeout=15000), unconfined)
    assert (ended.metadata["ending"], ended.metadata["exit"]) == ("exited", 3)
    assert ended.text.endswith("\n20000\n[exit status 3]")
    assert ended.metadata["characters"] == len("".join(f"{n}\n" for n in range(1, 20001)))
    deadline = time.monotonic() + PATIENCE_S
    while left := await asyncio.to_thread(sleeping, mark):
        assert time.monotonic() < deadline, left


HIDING = {
    "in the foreground": "sleep {mark}",
    "in the background": "sleep {mark} & echo",
    "ignoring signals": "trap '' TERM HUP INT; sleep {mark}",
    "in a session of its own": "setsid sleep {mark} & echo",
    "as an orphan": "(setsid sh -c '(sleep {mark} &)' &); echo",
    "without output": "nohup setsid sleep {mark} >/dev/null 2>&1 & echo",
}


@pytest.mark.parametrize("how", HIDING)
@pytest.mark.parametrize("end", ["timeout", "cancel", "exit"])
async def test_nothing_of_a_command_outlives_it(confined: CallContext, how: str, end: str) -> None:
    mark = f"{1000 + time.monotonic_ns() % 10**9 / 10**9:.9f}"
    command = HIDING[how].format(mark=mark)
    if end != "exit":
        command += f"; sleep {mark}"
    elif how in ("in the foreground", "ignoring signals"):
        command = command.replace("sleep", "sleep 0.1; : ", 1)
    running = asyncio.create_task(
        BASH.run(
            BashArguments(command=command, timeout=800 if end == "timeout" else 60000), confined
        )
    )
    if end == "cancel":
        await asyncio.to_thread(wait_for, mark, running)
        running.cancel()
    await asyncio.wait({running})
    deadline = time.monotonic() + PATIENCE_S
    while left := await asyncio.to_thread(sleeping, mark):
        assert time.monotonic() < deadline, left


def times(command: str, context: CallContext, timeout: int | None = None) -> float:
    return seconds(BashArguments(command=command, timeout=timeout), context)


def test_commands_have_thirty_seconds_and_package_managers_more(context: CallContext) -> None:
    assert times("make", context) == 30
    assert times("npm install", context) == 300
    assert times("make", context, 90_000) == 90
    assert times("make", context, 10**9) == 600
    assert times("make", context, 10**400) == 600
    bounded = dataclasses.replace(context, times=Times(1, 2, 1.5))
    assert times("npm ci", bounded) == 1.5


@pytest.mark.parametrize(
    "command",
    [
        "npm install",
        "cd web && npm ci",
        "CI=1 pnpm i",
        "python3 -m pip install x",
        ".venv/bin/python -m pip list",
        "pip install -r requirements.txt",
        "sudo apt-get install x",
        "(cargo build)",
        "echo; uv sync",
    ],
)
def test_package_managers_are_known(command: str) -> None:
    assert is_package_manager(command)


@pytest.mark.parametrize("command", ["echo npm", "ls pip", "cat go.mod", "./npm-like", "grep uv x"])
def test_what_only_names_one_is_none(command: str) -> None:
    assert not is_package_manager(command)


async def test_without_a_sandbox_nothing_runs(run: Run) -> None:
    with pytest.raises(NotPermitted):
        await run(BASH, command="ls")


@pytest.mark.parametrize("command", ["", "  \n", "a\0b"])
async def test_a_command_must_be_one(shell: Run, command: str) -> None:
    with pytest.raises(ToolFailed, match="empty"):
        await shell(command)


async def test_a_command_that_is_too_long_for_the_system_is_refused(shell: Run) -> None:
    with pytest.raises(ToolFailed, match="at most 128000 bytes"):
        await shell("echo " + "\u00e9" * 64_000)
    assert "x" in (await shell("echo " + "x" * 127_990)).text
