"""What a command tries in either sandbox, and does not get; and how a sandbox is chosen."""

import asyncio
import contextlib
import ctypes
import dataclasses
import os
import platform
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tools.conftest import SECRET, Run
from tools import landlock
from tools.bounds import Bounds, Network, Sandbox
from tools.bubblewrap import Bubblewrap
from tools.errors import SandboxUnavailable
from tools.sandbox import Landlocked, choose_sandbox, landlock_notes, landlocked, unconfined
from tools.seatbelt import profile

READS: dict[str, str] = {
    "by its path": "cat {secret}",
    "one up": "cat ../outside/secret.txt",
    "by a link": "ln -s {secret} l; cat l",
    "by a link to its folder": "ln -s {outside} l; cat l/secret.txt",
    "by a hard link": "ln {secret} h && cat h",
    "by proc, self, root": "cat /proc/self/root{secret}",
    "by the first process's root": "cat /proc/1/root{secret}",
    "by the parent's root": "cat /proc/$PPID/root{secret}",
    "by the node's root": "cat /proc/{node}/root{secret}",
    "by the node's folder": "cat /proc/{node}/cwd/pyproject.toml && cat {secret}",
    "by a copy": "cp -r {outside} mine; cat mine/secret.txt",
    "by moving it": "mv {secret} mine; cat mine",
    "by an archive": "tar -cf - -C {outside} . | tar -xOf -",
    "by a mount": "mkdir m; mount --bind {outside} m; cat m/secret.txt",
    "by another namespace": "unshare -Urm cat {secret}",
    "by a new root": "chroot / cat {secret}",
    "by entering the first process": "nsenter -t 1 -m cat {secret}",
    "by entering the node": "nsenter -t {node} -m cat {secret}",
    "with python": "python3 -c 'print(open(\"{secret}\").read())'",
    "by a descriptor that was left open": "for f in /proc/self/fd/*; do cat $f/secret.txt; done",
    "by a descriptor's folder": "for n in 3 4 5 9; do cat /proc/self/fd/$n/../{secret}; done",
    "as another user": "su -c 'cat {secret}'; sudo cat {secret}",
    "by the memory of the node": "strings /proc/{node}/mem; cat /proc/{node}/environ; cat {secret}",
    "by a device": "cat /dev/vda /dev/sda /dev/nvme0n1 /dev/mem 2>&1 | head -c 100; cat {secret}",
    "by a device of its own": "mknod d b 254 0 && head -c 1 d >/dev/null && cat {secret}",
    "by handle": "python3 - <<'E'\nimport os,ctypes\nl=ctypes.CDLL(None)\n"
    "l.open_by_handle_at(-100, None, 0)\nprint(open('{secret}').read())\nE",
}

WRITES: dict[str, str] = {
    "by its path": "echo x > {secret}",
    "by appending": "echo x >> {secret}",
    "by a link": "ln -s {secret} l; echo x > l",
    "by a hard link": "ln {secret} h; echo x > h",
    "by removing it": "rm -rf {outside}",
    "by moving over it": "echo x > m; mv -f m {secret}",
    "by moving it away": "mv {outside} .",
    "by its permissions": "chmod 777 {secret}; chmod 777 {outside}",
    "by its owner": "chown 1:1 {secret}",
    "by its times": "touch -d 2001-01-01 {secret}",
    "by cutting it": "truncate -s 0 {secret}",
    "by a new file beside it": "echo x > {outside}/new; mkdir {outside}/folder; mkfifo {outside}/p",
    "by a pipe's end": "tee {secret} </dev/null",
    "by making the system writable": "mount -o remount,rw /; echo x > {secret}",
    "by proc, self, root": "echo x > /proc/self/root{secret}",
    "by the node's root": "echo x > /proc/{node}/root{secret}",
    "by moving the workspace": "cd ..; mv work outside/",
}


@pytest.fixture
def named(outside: Path) -> dict[str, object]:
    return {"secret": outside / "secret.txt", "outside": outside, "node": os.getpid()}


def state(folder: Path, sandbox: Sandbox) -> list[tuple[object, ...]]:
    """Everything about a folder that a write would change."""
    found: list[tuple[object, ...]] = []
    for path in [folder, *sorted(folder.rglob("*"))]:
        status = path.stat()
        text = path.read_text() if stat.S_ISREG(status.st_mode) else ""
        about = (status.st_mode, status.st_uid, status.st_mtime)
        # Landlock does not cover these, and says so.
        found.append((path, text, *(about if sandbox.name == "bubblewrap" else ())))
    return found


async def said(sandbox: Sandbox, script: str, folder: Path) -> str:
    """All that a script says, in the sandbox."""
    launch = await asyncio.to_thread(sandbox.launch, script, str(folder))
    process = await asyncio.create_subprocess_exec(
        *launch.argv,
        env=launch.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        return (await process.communicate())[0].decode()


@pytest.mark.parametrize("how", READS)
async def test_no_command_reads_what_is_outside(
    shell: Run, named: dict[str, object], how: str
) -> None:
    ended = await shell(READS[how].format(**named), timeout=20_000)
    assert SECRET not in ended.text


KEYRING = """python3 - <<'E'
import ctypes
kernel, said = ctypes.CDLL(None), ctypes.create_string_buffer(100)
key = kernel.syscall(250, 10, -3, b"user", b"swarm-test", 0)
kernel.syscall(250, 11, key, said, 100)
kernel.syscall(250, 11, {key}, said, 100)
print(said.value)
kernel.shmat.restype = ctypes.c_long
shared = kernel.shmat({memory}, None, 0)
print(shared, ctypes.string_at(shared) if shared != -1 else "")
E"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of system calls")
async def test_no_command_reads_the_keyring_or_the_shared_memory(shell: Run) -> None:
    kernel = ctypes.CDLL(None)
    kernel.shmat.restype = ctypes.c_void_p
    session, user, size = -3, b"swarm-test", len(SECRET)
    key = kernel.syscall(248, b"user", user, SECRET.encode(), size, session)
    assert key > 0
    memory = kernel.shmget(0, 4096, 0o1600)
    place = kernel.shmat(memory, None, 0)
    ctypes.memmove(place, SECRET.encode(), size)
    try:
        ended = await shell(KEYRING.format(key=key, memory=memory), timeout=20_000)
    finally:
        kernel.shmdt(ctypes.c_void_p(place))
        kernel.shmctl(memory, 0, None)
        kernel.syscall(250, 9, key, session)
    assert "-1" in ended.text
    assert SECRET not in ended.text


@pytest.mark.parametrize("how", WRITES)
async def test_no_command_writes_what_is_outside(
    shell: Run, sandbox: Sandbox, named: dict[str, object], outside: Path, how: str
) -> None:
    before = await asyncio.to_thread(state, outside, sandbox)
    await shell(WRITES[how].format(**named), timeout=20_000)
    assert await asyncio.to_thread(state, outside, sandbox) == before
    assert await asyncio.to_thread((outside.parent / "work").is_dir)


async def test_the_control_reads_it(bounds: Bounds, outside: Path) -> None:
    """Without a sandbox the same command does: the secret is there to be read."""
    sandbox = await asyncio.to_thread(unconfined, bounds)
    assert await said(sandbox, f"cat {outside}/secret.txt", bounds.workspace) == SECRET


@pytest.mark.parametrize(
    "path",
    ["/etc/shadow", "/etc/ssh", "/root/.bashrc", "/home", "/var/log", "/run/user", "/etc/hostname"],
)
async def test_private_places_of_the_system_are_not_read(shell: Run, path: str) -> None:
    ended = await shell(f"cat {path} 2>/dev/null || ls {path}/* 2>/dev/null | grep .")
    assert ended.text.startswith("[exit status"), ended.text


@pytest.mark.parametrize("path", ["/usr/x", "/etc/x", "/x", "/var/x", "/dev/shm/x", "/home/x"])
async def test_nothing_is_left_on_the_system(shell: Run, path: str) -> None:
    await shell(f"echo x > {path}")
    assert not await asyncio.to_thread(Path(path).exists)


async def test_the_environment_of_the_node_is_not_seen(
    shell: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARM_SECRET_KEY", SECRET)
    ended = await shell(
        "env; cat /proc/1/environ /proc/self/environ /proc/*/environ | tr '\\0' '\\n'"
    )
    assert SECRET not in ended.text
    names = {line.partition("=")[0] for line in (await shell("env")).text.splitlines()}
    assert names == {
        *("PATH", "HOME", "TMPDIR", "LANG", "TERM", "PAGER", "GIT_CONFIG_NOSYSTEM"),
        *("PIP_DISABLE_PIP_VERSION_CHECK", "npm_config_update_notifier", "PWD", "SHLVL", "_"),
    }


@pytest.fixture
def listener() -> Iterator[int]:
    """A TCP port of this machine that accepts."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door.getsockname()[1]


@pytest.fixture
def unix_door(outside: Path) -> Iterator[Path]:
    """A service of this machine behind a named socket."""
    with contextlib.chdir(outside), socket.socket(socket.AF_UNIX) as door:
        door.bind("door")
        door.listen()
        yield outside / "door"


CONNECT = "python3 -c \"import socket as s; {}; print('conn' + 'ected')\""


async def test_no_command_reaches_the_network(shell: Run, listener: int, unix_door: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(type=socket.SOCK_DGRAM) as udp:
        abstract.bind(f"\0swarm-test-{os.getpid()}")
        abstract.listen()
        udp.bind(("127.0.0.1", 0))
        udp.setblocking(False)
        port = udp.getsockname()[1]
        tries = [
            f"s.create_connection(('127.0.0.1', {listener}), 2)",
            f"s.create_connection(('::ffff:127.0.0.1', {listener}), 2)",
            "s.create_connection(('192.0.2.1', 80), 2)",
            f"s.socket(1).connect('{unix_door}')",
            f"s.socket(1).connect('\\0swarm-test-{os.getpid()}')",
            "s.socket(40)",
        ]
        for each in tries:
            assert "connected" not in (await shell(CONNECT.format(each))).text, each
        send = f"import socket as s; s.socket(2, 2).sendto(b'x', ('127.0.0.1', {port}))"
        await shell(f'python3 -c "{send}"; echo x > /dev/udp/127.0.0.1/{port}')
        with pytest.raises(BlockingIOError):
            udp.recv(1)


async def test_a_granted_network_is_reached(
    sandbox: Sandbox, bounds: Bounds, listener: int, unix_door: Path
) -> None:
    granted = dataclasses.replace(sandbox, bounds=dataclasses.replace(bounds, network="all"))  # type: ignore[type-var]
    there = CONNECT.format(f"s.create_connection(('127.0.0.1', {listener}), 2)")
    assert "connected" in await said(granted, there, bounds.workspace)
    behind = CONNECT.format(f"s.socket(1).connect('{unix_door}')")
    assert "connected" not in await said(granted, behind, bounds.workspace)


async def test_no_command_signals_or_sees_the_node(shell: Run) -> None:
    other = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        ended = await shell(
            f"kill -CONT {os.getpid()} && echo sent; kill -0 {other.pid} && echo seen"
        )
    finally:
        other.kill()
        await other.wait()
    assert "sent" not in ended.text
    assert "seen" not in ended.text


async def test_memory_files_and_processes_have_limits(shell: Run) -> None:
    limits = (await shell("ulimit -c; ulimit -n; ulimit -f; ulimit -d")).text.split()
    assert limits == ["0", "1024", str(1 << 20), str(4 << 20)]
    hungry = await shell("python3 -c 'bytearray(5 << 30)'")
    assert "MemoryError" in hungry.text
    large = await shell("truncate -s 2G large || head -c 2G /dev/zero > large; stat -c %s large")
    assert int(large.text.split()[-1] if large.text[-1].isdigit() else 0) <= 1 << 30
    assert "raised" not in (await shell("ulimit -n 4096 && echo raised")).text


@pytest.mark.needs("bubblewrap")
async def test_processes_are_counted_where_users_are_its_own(bounds: Bounds) -> None:
    assert await said(Bubblewrap("bwrap", "/bin/bash", bounds), "ulimit -u", bounds.workspace) == (
        "512\n"
    )


async def test_no_abstract_socket_is_reached_with_a_granted_network(
    sandbox: Sandbox, bounds: Bounds
) -> None:
    """The desktop's own services listen there."""
    granted = dataclasses.replace(sandbox, bounds=dataclasses.replace(bounds, network="all"))  # type: ignore[type-var]
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(f"\0swarm-test-{os.getpid()}")
        door.listen()
        script = CONNECT.format(f"s.socket(1).connect('\\0swarm-test-{os.getpid()}')")
        assert "connected" not in await said(granted, script, bounds.workspace)


@pytest.mark.needs("bubblewrap")
async def test_bubblewrap_is_chosen_where_it_works(bounds: Bounds) -> None:
    assert (await choose_sandbox(bounds)).name == "bubblewrap"


@pytest.mark.needs("landlock")
async def test_landlock_is_chosen_where_bubblewrap_is_missing(bounds: Bounds) -> None:
    sandbox = await choose_sandbox(bounds, which=only("bash"))
    assert sandbox.name == "Landlock"
    assert "does not cover UDP" in " ".join(sandbox.notes)


@pytest.mark.needs("landlock")
async def test_landlock_is_chosen_where_bubblewrap_fails(bounds: Bounds, tmp_path: Path) -> None:
    broken = await asyncio.to_thread(program, tmp_path / "bwrap", "echo no namespaces >&2; exit 1")
    which = {"bash": shutil.which("bash"), "bwrap": str(broken)}.get
    sandbox = await choose_sandbox(bounds, which=which)
    assert sandbox.name == "Landlock"
    assert "bubblewrap does not work here (no namespaces)" in sandbox.notes[0]


@pytest.mark.needs("landlock")
@pytest.mark.parametrize("name", ["TMPDIR", "HOME"])
async def test_a_sandbox_in_which_commands_have_no_files_of_their_own_does_not_work(
    bounds: Bounds, tmp_path: Path, name: str
) -> None:
    script = f"""
while [ "$1" != -- ]; do
    shift
done
shift
TMPDIR={bounds.scratch} HOME={bounds.scratch}/home {name}=/proc/none exec "$@"
"""
    lacking = await asyncio.to_thread(program, tmp_path / "bwrap", script)
    which = {"bash": shutil.which("bash"), "bwrap": str(lacking)}.get
    sandbox = await choose_sandbox(bounds, which=which)
    assert sandbox.name == "Landlock"
    assert "bubblewrap does not work here" in sandbox.notes[0]
    assert "/proc/none" in sandbox.notes[0]


@pytest.mark.needs("bubblewrap")
async def test_a_trial_leaves_nothing_behind(bounds: Bounds) -> None:
    await choose_sandbox(bounds)
    inside = await asyncio.to_thread(lambda: list(bounds.scratch.rglob("*")))
    assert not [path for path in inside if path.is_file()]


async def test_without_bubblewrap_package_managers_get_no_network_of_their_own(
    bounds: Bounds,
) -> None:
    asked = dataclasses.replace(bounds, network="packages")
    with pytest.raises(SandboxUnavailable, match="--allow-network all"):
        await choose_sandbox(asked, which=only("bash"))


def program(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def only(*names: str) -> Callable[[str], str | None]:
    return lambda name: shutil.which(name) if name in names else None


async def test_without_bash_there_are_no_commands(bounds: Bounds) -> None:
    with pytest.raises(SandboxUnavailable, match="bash"):
        await choose_sandbox(bounds, which=only())


@pytest.mark.parametrize("version", [0, 1, 3])
def test_a_refusal_names_the_owners_flag(bounds: Bounds, version: int) -> None:
    with pytest.raises(SandboxUnavailable, match=r"bwrap is missing.*--no-sandbox"):
        landlocked("/bin/bash", bounds, "bwrap is missing", version)


@pytest.mark.parametrize(("network", "least"), [("none", 4), ("all", 3)])
def test_a_landlock_that_covers_too_little_is_not_used(
    bounds: Bounds, network: Network, least: int
) -> None:
    asked = dataclasses.replace(bounds, network=network)
    assert landlocked("/bin/bash", asked, "no bwrap", least).name == "Landlock"
    with pytest.raises(SandboxUnavailable, match=f"has version {least - 1}"):
        landlocked("/bin/bash", asked, "no bwrap", least - 1)


def test_landlock_says_what_it_leaves_open() -> None:
    old = landlock_notes("no bwrap", 4, "riscv64")
    assert "datagrams" in old[1]
    assert "signals" in old[2]
    new = landlock_notes("no bwrap", 6, "x86_64")
    assert "seccomp" in new[1]
    assert len(new) == 2


def test_a_sandboxless_command_needs_the_owners_word(bounds: Bounds) -> None:
    assert "without a sandbox" in unconfined(bounds).notes[0]


def test_the_filter_of_sockets_is_a_program_of_seccomp() -> None:
    closed = landlock.socket_filter("x86_64", (), own_memory=True)
    opened = landlock.socket_filter("aarch64", (2, 10, 16), own_memory=False)
    assert len(closed) == 19 * 8
    assert len(opened) == (22 + 22) * 8
    assert landlock.socket_filter("riscv64", (), own_memory=True) == b""


def test_the_profile_for_macs_denies_by_default_and_quotes_paths(bounds: Bounds) -> None:
    odd = dataclasses.replace(bounds, workspace=Path('/Users/a "b"\\c'))
    text = profile(odd)
    assert text.startswith("(version 1)\n(deny default)")
    assert '(subpath "/Users/a \\"b\\"\\\\c")' in text
    assert "network" not in text
    assert "network*" in profile(dataclasses.replace(odd, network="all"))


def test_landlock_is_asked_for_its_version() -> None:
    assert landlock.version() >= 0
    assert ctypes.sizeof(ctypes.c_size_t) == 8


def test_a_launch_under_landlock_names_what_may_be_written(bounds: Bounds) -> None:
    launch = Landlocked("/bin/bash", bounds, ()).launch("true", "/w")
    writable = launch.argv[launch.argv.index("--") + 1 :]
    assert writable[:3] == [str(bounds.workspace), str(bounds.scratch), "--"]
    assert launch.argv[4:6] == ["none", "/w"]
