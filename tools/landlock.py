"""The second choice on Linux: Landlock for files, TCP and signals, seccomp for sockets.

This file is a program too: it starts a command in these bounds and, when it ends or is told to
end, kills every process that came of it. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
import sys

TYPE_CHECKING = False  # as typing's, which would take a third of this program's start
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any, Final

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_BENEATH = 1
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38

# Rights over files, by the version of Landlock that knows them.
_READ_FILE, _READ_FOLDER, _EXECUTE, _WRITE_FILE = 1 << 2, 1 << 3, 1 << 0, 1 << 1
_FILES_BY_VERSION = {1: (1 << 13) - 1, 2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_OF_FILES = _READ_FILE | _WRITE_FILE | _EXECUTE | 1 << 14 | 1 << 15
_TCP = 0b11
_SIGNALS_AND_ABSTRACT_SOCKETS = 0b11

TRUNCATE_VERSION = 3
"""Landlock's version in Linux 6.2: below it a command could empty every file that this user may
write."""

LEAST_VERSION = 4
"""Landlock's version in Linux 6.7: below it TCP is not covered."""

SIGNALS_VERSION = 6
"""Landlock's version in Linux 6.12: below it a command may send signals to this user's other
processes."""

# Numbers of socket(2) and AUDIT_ARCH, where the filter is known to be right.
_MACHINES: Final = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}
# add_key(2), request_key(2), keyctl(2): a login's keyring is in every process of it.
_KEYS: Final = {"x86_64": (248, 249, 250), "aarch64": (217, 218, 219)}
# Shared memory, semaphores and messages of System V, by any number that another program uses.
_SYSTEM_V: Final = {
    "x86_64": (29, 30, 31, 64, 65, 66, 68, 69, 70, 71, 220),
    "aarch64": tuple(range(186, 197)),
}
_IO_URING_SETUP = 425
_X32 = 0x40000000
INTERNET: Final = (2, 10, 16)
"""The families that programs on the network need: AF_INET, AF_INET6, AF_NETLINK."""

LOCAL: Final = 1
"""The family of local sockets, AF_UNIX."""

_EACCES, _ENOSYS = 13, 38
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06


class Rights:
    """What a command may read and write, whether it may use the network, where it starts."""

    def __init__(
        self, read: Sequence[str], write: Sequence[str], folder: str, *, network: bool
    ) -> None:
        self.read = read
        self.write = write
        self.folder = folder
        self.network = network


def arguments_of(rights: Rights, command: Sequence[str]) -> list[str]:
    """The arguments of this program. Every path in them is absolute, so `--` is none."""
    network = "network" if rights.network else "none"
    return [network, rights.folder, *rights.read, "--", *rights.write, "--", *command]


def _parsed(arguments: Sequence[str]) -> tuple[Rights, list[str]]:
    first = arguments.index("--")
    second = arguments.index("--", first + 1)
    read, write = arguments[2:first], arguments[first + 1 : second]
    rights = Rights(read, write, arguments[1], network=arguments[0] == "network")
    return rights, list(arguments[second + 1 :])


def version() -> int:
    """Landlock's version in this kernel; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, _libc().syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION))


def has_filter(machine: str) -> bool:
    """Whether sockets are closed by seccomp on this processor (the machine, as uname says)."""
    return machine in _MACHINES


def main(arguments: Sequence[str]) -> int:
    """The arguments are those that `arguments_of` makes. Ends the process."""
    rights, command = _parsed(arguments)
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _told_to_end)
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        restrict(rights)
        os.chdir(rights.folder)
        os.execv(command[0], command)  # noqa: S606
    while True:
        done, status = os.wait()
        if done == child:
            code = os.waitstatus_to_exitcode(status)
            return _end(code if code >= 0 else 128 - code)


def _told_to_end(number: int, _frame: FrameType | None) -> None:
    _end(128 + number)


def restrict(rights: Rights) -> None:
    """Bind this process, and all that come of it, for ever. Raises OSError."""
    known = version()
    files = sum(rights for least, rights in _FILES_BY_VERSION.items() if known >= least)
    tcp = _TCP if known >= LEAST_VERSION and not rights.network else 0
    scoped = _SIGNALS_AND_ABSTRACT_SOCKETS if known >= SIGNALS_VERSION else 0
    _control(_PR_SET_NO_NEW_PRIVS, 1)
    attributes = struct.pack("QQQ", files, tcp, scoped)
    size = 24 if known >= SIGNALS_VERSION else 16
    ruleset = _called(_CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    for path in rights.read:
        _allow(ruleset, path, _READ_FILE | _READ_FOLDER | _EXECUTE)
    for path in rights.write:
        _allow(ruleset, path, files)
    for path in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
        _allow(ruleset, path, _READ_FILE | _WRITE_FILE)
    _called(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    domains = INTERNET if rights.network else ()
    program = socket_filter(os.uname().machine, domains, own_memory=False)
    if program:
        _filter_sockets(program)


def _allow(ruleset: int, path: str, rights: int) -> None:
    """A path that is not there needs no rule."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):  # noqa: PTH112
        rights &= _OF_FILES
    try:
        rule = struct.pack("=Qi", rights, descriptor)
        _called(_ADD_RULE, ruleset, _BENEATH, rule, 0)
    finally:
        os.close(descriptor)


def socket_filter(machine: str, domains: Sequence[int], *, own_memory: bool) -> bytes:
    """A program for seccomp: no socket but of these domains, no io_uring (which makes sockets
    too), no keyring, no other architecture's system calls. Empty for a machine that is not known.

    `own_memory`: a namespace keeps System V's shared memory apart; otherwise there is none.
    """
    if machine not in _MACHINES:
        return b""
    call, architecture = _MACHINES[machine]
    denied = [_IO_URING_SETUP, *_KEYS[machine], *(() if own_memory else _SYSTEM_V[machine])]
    lines: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the call's number
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
        *(
            line
            for number in denied
            for line in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | _ENOSYS))
        ),
        (_EQUAL, 1, 0, call),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, 16),  # its first argument, the low half
        *((_EQUAL, len(domains) - place, 0, domain) for place, domain in enumerate(domains)),
        (_RETURN, 0, 0, _ERRNO | _EACCES),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _filter_sockets(program: bytes) -> None:
    lines = ctypes.create_string_buffer(program)
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(lines))
    _control(_PR_SET_SECCOMP, 2, ctypes.c_char_p(described))


def _end(status: int) -> int:
    """Kill whatever is left of the command, however it hid, and exit."""
    while True:
        for process in _children(os.getpid()):
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.wait()
        except ChildProcessError:
            os._exit(status)


def _children(parent: int) -> list[int]:
    """Every process below this one; orphans of the command are its own."""
    above: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal():
            continue
        try:
            with open(f"/proc/{entry.name}/stat", "rb") as file:  # noqa: PTH123  quick to start
                above[int(entry.name)] = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            continue  # it has ended
    found: list[int] = []
    for process, direct in above.items():
        while direct not in (0, parent):
            direct = above.get(direct, 0)  # noqa: PLW2901
        if direct == parent:
            found.append(process)
    return found


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _called(number: int, *arguments: Any) -> int:
    result = _libc().syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _control(option: int, value: int, pointer: Any = None) -> None:
    none = ctypes.c_ulong(0)
    if _libc().prctl(option, ctypes.c_ulong(value), pointer or none, none, none) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))  # noqa: TID251
