"""Linux network namespaces: entered by a thread, and always removed, even after a killed test.

Needs root and iproute2. A socket belongs for ever to the namespace in which it was made, so a
test reaches into a host with plain sockets, and nothing stands between it and what it asks.
"""

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

NAMES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000

# Waits for a line or for the end of whoever writes, then ends what runs in each namespace
# (never the writer itself) and removes its name; the kernel removes what stands in it.
_KEEPER = """
read -r _
for name in "$@"; do
    [ -e "/run/netns/$name" ] || continue
    for turn in 1 2 3 4 5 6 7 8 9 10; do
        left=$(ip netns pids "$name" | grep -vx "$PPID")
        [ -n "$left" ] || break
        [ "$turn" = 1 ] || sleep 0.1
        kill -9 $left 2>/dev/null
    done
    ip netns del "$name" || exit 1
done
"""


@dataclass(frozen=True)
class Namespace:
    """A network namespace that has a name."""

    name: str

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """The sockets, processes and threads that this thread makes in the block belong there.

        For one thread, so no `await` in the block: another task would make its sockets there.
        """
        with Path("/proc/thread-self/ns/net").open("rb") as home, self._path.open("rb") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def ip(self, *lines: str) -> None:
        """Run lines of the command `ip` there, in one process."""
        run("ip", "-n", self.name, "-batch", "-", said="\n".join(lines))

    def set_kernel(self, **values: int) -> None:
        """Set kernel settings of the namespace; a name is a path under /proc/sys/net with __."""
        with self.inside():
            for name, value in values.items():
                Path("/proc/sys/net", *name.split("__")).write_text(str(value))

    @property
    def _path(self) -> Path:
        return NAMES / self.name


@contextlib.contextmanager
def namespaces(names: Sequence[str]) -> Iterator[list[Namespace]]:
    """Make namespaces; at the end, they and every process in them go, whatever happened."""
    keeper = subprocess.Popen(
        ["sh", "-c", _KEEPER, "keeper", *names],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        run("ip", "-batch", "-", said="\n".join(f"netns add {name}" for name in names))
        yield [Namespace(name) for name in names]
    finally:
        said, _ = keeper.communicate("end\n", timeout=30)
        assert keeper.returncode == 0, said


def run(*command: str, said: str = "") -> str:
    """Run a command that must succeed; `said` is what it is told on its standard input."""
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{said}\n{done.stdout}{done.stderr}"
    return done.stdout


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
