"""Ports for servers of tests and measurements."""

import itertools
import os
import socket

_PORTS = range(20_000, 32_000)
"""Below those from which systems choose for connections, which others' tests begin all the time."""

_next = itertools.count(os.getpid() * 100)
"""Test processes beside each other try different ones; a process never gives one twice in a row."""


def free_port() -> int:
    """A port of the loopback interface on which nobody listens.

    Raises `OSError` if there is none.
    """
    for _ in _PORTS:
        port = _PORTS[next(_next) % len(_PORTS)]
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no port is free")
