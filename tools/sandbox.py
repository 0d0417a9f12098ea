"""Chooses what keeps commands in their bounds on this machine, by trying it.

bubblewrap, else Landlock; Seatbelt on macOS; else a refusal, unless the owner wants none.
"""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ending import killed, whole
from tools import landlock, seatbelt
from tools.bounds import NAMES, SETTINGS, SYSTEM, Bounds, Launch, Sandbox, environment, limited
from tools.bubblewrap import Bubblewrap
from tools.errors import SandboxUnavailable
from tools.seatbelt import Seatbelt

_TRIAL_S = 10.0
_TRIAL = 'for folder in "$TMPDIR" "$HOME"; do : > "$folder/$$" && rm "$folder/$$" || exit 1; done'
"""A command that does what every command may rely on: it makes a file of its own."""

_PROC = ("cpuinfo", "meminfo", "stat", "loadavg", "version", "filesystems", "sys")


@dataclass(frozen=True, slots=True)
class Landlocked:
    """Landlock and seccomp, without namespaces: what it leaves open stands in its notes."""

    bash: str
    bounds: Bounds
    notes: tuple[str, ...]
    python: str = sys.executable
    name: str = "Landlock"

    def launch(self, script: str, folder: str) -> Launch:
        bounds = self.bounds
        network = bounds.network == "all"
        read = [*SYSTEM, *SETTINGS, *(f"/proc/{name}" for name in _PROC)]
        read += [*(NAMES if network else ()), *map(str, (*bounds.readable, bounds.kept))]
        write = [str(bounds.workspace), str(bounds.scratch)]
        rights = landlock.Rights(read, write, folder, network=network)
        inside = limited(self.bash, script, bounds.limits, count_processes=False)
        start = [self.python, "-I", "-S", landlock.__file__]
        told = landlock.arguments_of(rights, inside)
        return Launch([*start, *told], environment(bounds, str(bounds.scratch)))


@dataclass(frozen=True, slots=True)
class Unconfined:
    """No sandbox at all: the owner's own word. The command has this user's rights."""

    bash: str
    bounds: Bounds
    name: str = "none"
    notes: tuple[str, ...] = ("commands run without a sandbox, with all rights of this user",)

    def launch(self, script: str, folder: str) -> Launch:
        inside = limited(self.bash, script, self.bounds.limits, count_processes=False)
        start = [self.bash, "-c", 'cd "$1" && shift && exec "$@"', "bash", folder]
        return Launch([*start, *inside], environment(self.bounds, str(self.bounds.scratch)))


async def choose_sandbox(
    bounds: Bounds, *, which: Callable[[str], str | None] = shutil.which
) -> Sandbox:
    """The first that works here. Raises SandboxUnavailable with what would help."""
    bash = await asyncio.to_thread(find_bash, which)
    if sys.platform != "linux" and bounds.network == "packages":
        raise SandboxUnavailable(_no_proxy(f"there is no bubblewrap for {platform.system()}"))
    if sys.platform == "darwin":
        return await _seatbelt(bash, bounds)
    if sys.platform != "linux":
        raise SandboxUnavailable(_refusal(f"there is no sandbox for {platform.system()}"))
    program = await asyncio.to_thread(which, "bwrap")
    why = "bubblewrap (bwrap) is not installed"
    if program is not None:
        sandbox = Bubblewrap(program, bash, bounds)
        why = await _trial(sandbox, str(bounds.workspace))
        if not why:
            return sandbox
        why = f"bubblewrap does not work here ({why})"
    if bounds.network == "packages":
        raise SandboxUnavailable(_no_proxy(why))
    return landlocked(bash, bounds, why, landlock.version())


def unconfined(bounds: Bounds, *, which: Callable[[str], str | None] = shutil.which) -> Sandbox:
    """For the owner who asked for it."""
    return Unconfined(find_bash(which), bounds)


def find_bash(which: Callable[[str], str | None] = shutil.which) -> str:
    """Raises SandboxUnavailable where there is none."""
    bash = which("bash")
    if bash is None:
        raise SandboxUnavailable("commands need bash, which is not installed")
    return str(Path(bash).resolve())


def landlocked(bash: str, bounds: Bounds, why: str, version: int) -> Sandbox:
    """With this version of Landlock. Raises SandboxUnavailable where it covers too little."""
    least = landlock.TRUNCATE_VERSION if bounds.network == "all" else landlock.LEAST_VERSION
    if version < least:
        has = f"version {version}" if version else "no Landlock"
        raise SandboxUnavailable(_refusal(f"{why}; the kernel has {has}"))
    return Landlocked(bash, bounds, landlock_notes(why, version, platform.machine()))


def landlock_notes(why: str, version: int, machine: str) -> tuple[str, ...]:
    """What Landlock leaves open, in words for the owner."""
    open_to_all = (
        "the names and sizes of files elsewhere, and this user's right to change their modes"
    )
    notes = [f"{why}, so commands are kept in bounds by Landlock; it does not cover {open_to_all}"]
    if landlock.has_filter(machine):
        notes.append("Landlock does not cover UDP: a seccomp filter closes those sockets instead")
    else:
        notes.append("Landlock does not cover UDP: a command can send datagrams and use sockets")
    if version < landlock.SIGNALS_VERSION:
        notes.append("on this kernel a command can send signals to your other processes")
    return tuple(notes)


async def _seatbelt(bash: str, bounds: Bounds) -> Sandbox:
    if not await asyncio.to_thread(os.access, seatbelt.PROGRAM, os.X_OK):
        raise SandboxUnavailable(_refusal(f"there is no {seatbelt.PROGRAM}"))
    sandbox = Seatbelt(bash, bounds)
    if why := await _trial(sandbox, str(bounds.workspace)):
        raise SandboxUnavailable(_refusal(f"Seatbelt does not work here ({why})"))
    return sandbox


async def _trial(sandbox: Sandbox, folder: str) -> str:
    """Nothing where a command runs in it, otherwise why not."""
    # A thread cannot be ended: it would write into a folder that its owner removes meanwhile.
    launch = await whole(asyncio.to_thread(sandbox.launch, _TRIAL, folder))
    process = await asyncio.create_subprocess_exec(
        *launch.argv,
        env=launch.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_TRIAL_S):
            said = (await process.communicate())[1]
    except TimeoutError:
        return f"it took longer than {_TRIAL_S:.0f} s"
    finally:
        await whole(killed(process))
    if process.returncode == 0:
        return ""
    return said.decode(errors="replace").strip()[:200] or f"exit status {process.returncode}"


def _no_proxy(why: str) -> str:
    return (
        f"{why}, and only there can package managers alone be given the network; install it, or "
        "start with --allow-network all or without --allow-network"
    )


def _refusal(why: str) -> str:
    return (
        f"{why}, so commands cannot be kept in bounds; install bubblewrap (on Linux), or start "
        "with --no-sandbox to let them run with all rights of this user"
    )
