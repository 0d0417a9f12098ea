"""The first choice on Linux: bubblewrap gives a command namespaces of its own and nothing else.

Own users, processes, network, mounts; no capability. `--clearenv` would leave the caller's
environment in /proc/1/environ, so bubblewrap itself is started with an empty one.
"""

import contextlib
import platform
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tools import forward, landlock
from tools.bounds import NAMES, SETTINGS, SYSTEM, Bounds, Launch, environment, limited

_SCRATCH = "/tmp"  # noqa: S108  the sandbox's own
_WITH_FILTER = ("/bin/sh", "-c", 'exec 9<"$0" && exec "$@"')
"""What starts bubblewrap so that it reads the filter from a descriptor."""

_PROXY = "/run/swarm/proxy"
_FORWARD = "/run/swarm/forward.py"

_ISOLATED = (
    "--unshare-all",
    "--unshare-user",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--hostname",
    "sandbox",
)


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Needs `bwrap`, and a kernel that lets this user make namespaces."""

    program: str
    bash: str
    bounds: Bounds
    python_home: Path = Path(sys.base_prefix)
    name: str = "bubblewrap"
    notes: tuple[str, ...] = ()

    def launch(self, script: str, folder: str) -> Launch:
        inside = limited(self.bash, script, self.bounds.limits, count_processes=True)
        if self.bounds.network == "packages":
            inside = [str(self._python()), "-I", "-S", _FORWARD, _PROXY, *inside]
        argv = [*self.argv(folder), "--", *inside]
        file = self._filter()
        if file is not None:
            argv = [*_WITH_FILTER, str(file), *argv]
        return Launch(argv, {})

    def argv(self, folder: str) -> list[str]:
        """The command line up to what runs inside."""
        bounds = self.bounds
        told = [self.program, *_ISOLATED]
        if landlock.has_filter(platform.machine()):
            told += ["--seccomp", "9"]
        if bounds.network == "all":
            told.append("--share-net")
        for path in SYSTEM:
            told += _system(Path(path))
        told += ["--proc", "/proc", "--dev", "/dev", "--dir", "/var/tmp", "--dir", "/run"]  # noqa: S108
        told += ["--ro-bind", str(self._settings()), "/etc"]
        if bounds.network == "all":
            told += _names()
        told += ["--bind", str(bounds.scratch), _SCRATCH]
        for path in (*bounds.readable, bounds.kept):
            told += ["--ro-bind", str(path), str(path)]
        if bounds.network == "packages":
            told += self._way_to_proxy()
        told += ["--bind", str(bounds.workspace), str(bounds.workspace)]
        for name, value in environment(bounds, _SCRATCH).items():
            told += ["--setenv", name, value]
        return [*told, "--chdir", folder]

    def _way_to_proxy(self) -> list[str]:
        """Its socket, and the program that leads there, with the Python that runs it."""
        home = self.python_home.resolve()
        told = ["--ro-bind", forward.__file__, _FORWARD]
        told += ["--ro-bind", str(self.bounds.proxy), _PROXY]
        is_seen = any(home.is_relative_to(path) for path in SYSTEM)
        return told if is_seen else [*told, "--ro-bind", str(home), str(home)]

    def _python(self) -> Path:
        """That which runs us, but not by way of a virtual environment, which is not seen inside."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.python_home.resolve() / "bin" / version

    def _filter(self) -> Path | None:
        """The file with the program for seccomp, made when there is none. Namespaces divide
        neither AF_VSOCK and keyrings nor, where the network is shared, the desktop's abstract
        sockets.
        """
        shared = self.bounds.network == "all"
        domains = landlock.INTERNET if shared else (landlock.LOCAL, *landlock.INTERNET)
        program = landlock.socket_filter(platform.machine(), domains, own_memory=True)
        path = self.bounds.kept / f"sockets-{len(program)}.bpf"
        if program and not path.exists():
            fresh = path.with_suffix(f".{secrets.token_hex(4)}")
            fresh.write_bytes(program)
            fresh.replace(path)
        return path if program else None

    def _settings(self) -> Path:
        """A copy of what of /etc may be seen: one mount, where thirty took longer than the rest."""
        path = self.bounds.kept / "etc"
        if not path.exists():
            fresh = path.with_suffix(f".{secrets.token_hex(4)}")
            fresh.mkdir()
            for setting in SETTINGS:
                _copy(Path(setting), fresh / Path(setting).relative_to("/etc"))
            (fresh / "resolv.conf").touch()
            with contextlib.suppress(OSError):  # another call was quicker
                fresh.rename(path)
        return path


def _copy(source: Path, target: Path) -> None:
    """Links stay links; what is not there, or not for this user, is left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, shutil.Error):
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copyfile(source, target)


def _names() -> list[str]:
    """How names are resolved, as it is at this moment."""
    return ["--ro-bind-try", str(Path(NAMES[0]).resolve()), NAMES[0]]


def _system(path: Path) -> list[str]:
    """A folder of the system, or the link that stands in its place."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind-try", str(path), str(path)]
