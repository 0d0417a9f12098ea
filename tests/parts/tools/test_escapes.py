"""Every way out of the workspace that we know of, against both rules: none leads out."""

import contextlib
import ctypes
import itertools
import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tools.conftest import SECRET
from tools import beneath
from tools.errors import ToolError
from tools.workspace import Workspace


@pytest.fixture(params=["by_kernel", "by_steps"])
def workspace(request: pytest.FixtureRequest, outside: Path) -> Iterator[Workspace]:
    """By both ways to open beneath, of which a machine has one."""
    if request.param == "by_kernel" and not beneath.has_openat2():
        pytest.skip("this kernel has no openat2")
    root = outside.parent / "work"
    root.mkdir()
    with Workspace(root, getattr(beneath, request.param)) as opened:
        yield opened


# What is made in the workspace first, then the path that tries to reach the secret.
Attempt = tuple[Callable[[Path, Path], object], str]
NOTHING: Callable[[Path, Path], object] = lambda root, outside: None  # noqa: E731


def link(name: str, target: str) -> Callable[[Path, Path], object]:
    return lambda root, outside: (root / name).symlink_to(target.format(outside=outside, root=root))


def links(*pairs: tuple[str, str]) -> Callable[[Path, Path], object]:
    return lambda root, outside: [link(*pair)(root, outside) for pair in pairs]


def folders(path: str) -> Callable[[Path, Path], object]:
    return lambda root, outside: (root / path).mkdir(parents=True)


ESCAPES: dict[str, Attempt] = {
    "one up": (NOTHING, "../outside/secret.txt"),
    "two up": (NOTHING, "../../{tmp}/outside/secret.txt"),
    "up after down": (folders("a/b"), "a/b/../../../outside/secret.txt"),
    "up after what is not there": (NOTHING, "a/../../outside/secret.txt"),
    "up with a dot between": (NOTHING, "./.././outside/secret.txt"),
    "up with doubled slashes": (NOTHING, "..//outside//secret.txt"),
    "up from the absolute root": (NOTHING, "{root}/../outside/secret.txt"),
    "up from deep in the absolute root": (folders("a"), "{root}/a/../../outside/secret.txt"),
    "absolute": (NOTHING, "{outside}/secret.txt"),
    "absolute with a doubled slash": (NOTHING, "/{outside}/secret.txt"),
    "absolute by way of the root": (NOTHING, "/../../{outside}/secret.txt"),
    "a folder whose name begins as the root's": (
        lambda root, outside: shutil.copytree(outside, f"{root}-more"),
        "{root}-more/secret.txt",
    ),
    "a link to the file": (link("l", "{outside}/secret.txt"), "l"),
    "a link to its folder": (link("l", "{outside}"), "l/secret.txt"),
    "a relative link to the file": (link("l", "../outside/secret.txt"), "l"),
    "a relative link to its folder": (link("l", "../outside"), "l/secret.txt"),
    "a link to one up": (link("l", ".."), "l/outside/secret.txt"),
    "a link to the root of all": (link("l", "/"), "l{outside}/secret.txt"),
    "a link to a link": (links(("a", "{outside}"), ("b", "a")), "b/secret.txt"),
    "a chain of links": (
        links(("a", "b"), ("b", "c"), ("c", "d"), ("d", "../outside/secret.txt")),
        "a",
    ),
    "a link up, taken twice": (links(("a", "."), ("b", "a/a/../..")), "b/outside/secret.txt"),
    "a link in a folder": (
        lambda root, outside: [(root / "d").mkdir(), (root / "d/l").symlink_to("../../outside")],
        "d/l/secret.txt",
    ),
    "up behind a link within": (
        lambda root, outside: [(root / "d/e").mkdir(parents=True), (root / "l").symlink_to("d/e")],
        "l/../../../outside/secret.txt",
    ),
    "an absolute link within": (link("l", "{root}/../outside"), "l/secret.txt"),
    "a link that ends in a slash": (link("l", "{outside}/"), "l/secret.txt"),
    "proc, self, root": (NOTHING, "/proc/self/root{outside}/secret.txt"),
    "a link to proc, self, root": (link("l", "/proc/self/root"), "l{outside}/secret.txt"),
    "a link to proc, self, cwd": (link("l", "/proc/self/cwd"), "l/pyproject.toml"),
    "a link to a descriptor": (link("l", "/proc/self/fd"), "l/0"),
    "a link to a thread's root": (link("l", "/proc/thread-self/root"), "l{outside}/secret.txt"),
    "a link to the first process": (link("l", "/proc/1/root"), "l{outside}/secret.txt"),
    "a link to the device of descriptors": (link("l", "/dev/fd"), "l/0"),
    "up with a zero byte": (NOTHING, "../outside/secret.txt\0.txt"),
    "a zero byte first": (NOTHING, "\0../outside/secret.txt"),
    "up with a backslash": (NOTHING, "..\\outside\\secret.txt"),
    "up, percent-encoded": (NOTHING, "%2e%2e/outside/secret.txt"),
    "up with full-width dots": (NOTHING, "\uff0e\uff0e/outside/secret.txt"),
    "a file URL": (NOTHING, "file://{outside}/secret.txt"),
    "the home": (NOTHING, "~/../../{outside}/secret.txt"),
    "a variable": (NOTHING, "$OLDPWD/../outside/secret.txt"),
    "a loop of links": (links(("a", "b"), ("b", "a")), "a/secret.txt"),
    "a path of many steps up": (NOTHING, "../" * 200 + "{outside}/secret.txt"),
    "spaces around": (NOTHING, " ../outside/secret.txt "),
    "a pipe": (lambda root, outside: os.mkfifo(root / "p"), "p"),
    "a link to a pipe": (
        lambda root, outside: [os.mkfifo(root / "p"), (root / "l").symlink_to("p")],
        "l",
    ),
    "a device": (link("l", "/dev/zero"), "l"),
    "a terminal": (link("l", "/dev/tty"), "l"),
    "a socket": (lambda root, outside: listening(root / "s"), "s"),
}


def listening(path: Path) -> None:
    with contextlib.chdir(path.parent), socket.socket(socket.AF_UNIX) as door:
        door.bind(path.name)


@pytest.fixture
def attempt(request: pytest.FixtureRequest, workspace: Workspace, outside: Path) -> str:
    """What the attempt needs, made; its path."""
    prepare, path = ESCAPES[request.param]
    prepare(workspace.root, outside)
    return path.format(root=workspace.root, outside=outside, tmp=outside.parent)


every_escape = pytest.mark.parametrize("attempt", ESCAPES, indirect=True)


def test_there_are_at_least_forty() -> None:
    assert len(ESCAPES) >= 40


@every_escape
def test_nothing_outside_is_read(attempt: str, workspace: Workspace) -> None:
    with pytest.raises(ToolError):
        workspace.read(attempt, most_bytes=1 << 20)


@every_escape
def test_nothing_outside_is_written(attempt: str, workspace: Workspace, outside: Path) -> None:
    before = sorted(outside.parent.iterdir())
    with contextlib.suppress(ToolError):  # odd names may be made within
        workspace.write(attempt, b"changed")
    assert (outside / "secret.txt").read_text() == SECRET
    assert sorted(outside.iterdir()) == [outside / "secret.txt"]
    assert sorted(outside.parent.iterdir()) == before


@every_escape
def test_nothing_outside_is_listed(attempt: str, workspace: Workspace) -> None:
    folder = attempt.rpartition("/")[0] or attempt
    with contextlib.suppress(ToolError):
        assert "secret.txt" not in [entry.name for entry in workspace.entries(folder)]


def test_a_hard_link_is_never_written_through(workspace: Workspace, outside: Path) -> None:
    (workspace.root / "h").hardlink_to(outside / "secret.txt")
    workspace.write("h", b"changed")
    assert (outside / "secret.txt").read_text() == SECRET
    assert (workspace.root / "h").read_bytes() == b"changed"


def test_permissions_beyond_the_usual_are_not_kept(workspace: Workspace) -> None:
    program = workspace.root / "program"
    program.write_text("old")
    program.chmod(0o4755)
    workspace.write("program", b"new")
    assert program.stat().st_mode & 0o7777 == 0o755


def exchange(one: Path, other: Path) -> None:
    """Both names change hands at once (renameat2 with RENAME_EXCHANGE)."""
    paths = (os.fsencode(one), os.fsencode(other))
    assert ctypes.CDLL(None).renameat2(-100, paths[0], -100, paths[1], 2) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="exchanges names with Linux's own call")
@pytest.mark.parametrize("swapped", ["the file", "its folder"])
@pytest.mark.parametrize("deed", ["read", "write"])
def test_a_link_that_is_swapped_in_between_wins_nothing(
    workspace: Workspace, outside: Path, swapped: str, deed: str
) -> None:
    """While one thread swaps a name for a link and back, the other never gets out."""
    root = workspace.root
    (root / "d").mkdir()
    (root / "d/secret.txt").write_text("ours")
    (root / "spare").symlink_to(outside if swapped == "its folder" else outside / "secret.txt")
    name = "d" if swapped == "its folder" else "d/secret.txt"
    done = threading.Event()

    def swap() -> None:
        for turn in itertools.count():
            if done.is_set() and turn % 2 == 0:
                return
            exchange(root / name, root / "spare")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(500):
            with contextlib.suppress(ToolError):
                if deed == "write":
                    workspace.write("d/secret.txt", b"ours")
                else:
                    assert workspace.read("d/secret.txt", most_bytes=99) == b"ours"
    finally:
        done.set()
        swapper.join()
    assert (outside / "secret.txt").read_text() == SECRET
    assert sorted(outside.iterdir()) == [outside / "secret.txt"]
