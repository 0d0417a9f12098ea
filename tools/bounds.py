"""What a command may touch, and how it is started. Facts only; the sandboxes act on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from tools.forward import PORT

Network: TypeAlias = Literal["none", "packages", "all"]
"""Nothing, the proxy for package managers, or everything that this machine reaches."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")
"""The folders where Linux keeps programs. /home, /root, /opt, /var, /run and /mnt are the
owner's."""

SETTINGS = (
    "/etc/alternatives",
    "/etc/bash.bashrc",
    "/etc/ca-certificates",
    "/etc/crypto-policies",
    "/etc/debian_version",
    "/etc/default/locale",
    "/etc/gai.conf",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/locale.alias",
    "/etc/locale.conf",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/perl",
    "/etc/pki",
    "/etc/profile",
    "/etc/protocols",
    "/etc/python3",
    "/etc/python3.11",
    "/etc/python3.12",
    "/etc/python3.13",
    "/etc/rpc",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/terminfo",
    "/etc/timezone",
)
"""What of /etc programs look at: no keys, no passwords."""

NAMES = ("/etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf")
"""How names are resolved, where there is a network."""

USUAL_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Limits:
    """What each process of a command may take; `processes` counts all of them together."""

    memory_bytes: int = 4 << 30
    file_bytes: int = 1 << 30
    processes: int = 512
    open_files: int = 1024


@dataclass(frozen=True, slots=True)
class Bounds:
    """The workspace and `scratch` (its home and temporary files, kept from command to command)
    may be written, the system, `readable` and `kept` only read. `proxy` is the socket of the
    proxy for package managers, where the network is that.
    """

    workspace: Path
    scratch: Path
    kept: Path
    readable: tuple[Path, ...] = ()
    network: Network = "none"
    proxy: Path | None = None
    limits: Limits = Limits()

    def search_path(self) -> str:
        """PATH, with the programs of the folders that the owner named."""
        own = [str(folder / "bin") for folder in self.readable if (folder / "bin").is_dir()]
        return ":".join([*own, USUAL_PATH])


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start; its environment is this and nothing else."""

    argv: Sequence[str]
    environment: Mapping[str, str]


class Sandbox(Protocol):
    """Turns a shell script into a process in its bounds. `notes`: what the owner should know."""

    @property
    def name(self) -> str: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    def launch(self, script: str, folder: str) -> Launch:
        """`folder` is where it starts, an absolute path in the workspace."""
        ...


def environment(bounds: Bounds, scratch: str) -> dict[str, str]:
    """All that a command finds in its environment; `scratch` as the command sees it."""
    return {
        "PATH": bounds.search_path(),
        "HOME": f"{scratch}/home",
        "TMPDIR": scratch,
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_update_notifier": "false",
        **(_through_proxy() if bounds.network == "packages" else {}),
    }


def _through_proxy() -> dict[str, str]:
    """What package managers look at."""
    proxy = f"http://127.0.0.1:{PORT}"
    names = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
    return {**dict.fromkeys(names, proxy), "NO_PROXY": "localhost,127.0.0.1,::1"}


def limited(bash: str, script: str, limits: Limits, *, count_processes: bool) -> list[str]:
    """The shell that runs a script under its limits. Kernels count processes by user, so
    `count_processes` is only for a sandbox with users of its own.
    """
    lines = [
        "ulimit -c 0",
        f"ulimit -n {limits.open_files}",
        f"ulimit -f {limits.file_bytes >> 10}",
        f"ulimit -d {limits.memory_bytes >> 10}",
        f"ulimit -u {limits.processes}" if count_processes else ":",
    ]
    prelude = "; ".join(f"{line} 2>/dev/null" for line in lines)
    return [bash, "-c", f'{prelude}; exec "$BASH" -c "$1"', "bash", script]
