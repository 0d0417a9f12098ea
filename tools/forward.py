"""A program for the inside of a sandbox: the proxy's Unix socket as a port of its loopback.

It starts a command and passes bytes for as long as that runs. Standard library only.
"""

from __future__ import annotations

import os
import socket
import sys
import threading

TYPE_CHECKING = False  # as typing's, which would take a third of this program's start
if TYPE_CHECKING:
    from collections.abc import Sequence

PORT = 3128
"""The proxy's port, in a network namespace that nobody else is in."""

_CHUNK = 1 << 16


def main(arguments: Sequence[str]) -> int:
    """The arguments: the socket's path, then the command, which takes this process's place."""
    path, *command = arguments
    listener = socket.create_server(("127.0.0.1", PORT), backlog=64)
    if os.fork() == 0:
        if os.fork() == 0:  # an orphan: the command has no child that it did not start
            _forward(listener, path)
        os._exit(0)
    os.wait()
    listener.close()
    os.execv(command[0], command)  # noqa: S606


def _forward(listener: socket.socket, path: str) -> None:
    """For ever: the sandbox ends it."""
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(silent, descriptor)
    while True:
        here, _ = listener.accept()
        there = socket.socket(socket.AF_UNIX)
        try:
            there.connect(path)
        except OSError:
            here.close()
            continue
        for ends in ((here, there), (there, here)):
            threading.Thread(target=_pass, args=ends, daemon=True).start()


def _pass(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # one side has gone: so must the other
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))  # noqa: TID251
