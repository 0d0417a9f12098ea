"""The sockets at which doors listen, with the system's own words where there can be none.

asyncio, which can take them too, passes over an address that this machine lacks on some Pythons.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

_LACKING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
"""An address of another machine or not ready yet, or of IPv6 where that is switched off."""


class Listener:
    """What was taken of hosts: nobody else's until it is closed, and silent until it starts."""

    def __init__(self, servers: list[asyncio.Server]) -> None:
        self._servers = servers
        self.port = int(servers[0].sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Let callers in. Raises OSError where another one has begun to listen meanwhile; it is
        closed then.
        """
        with ExitStack() as stack:
            stack.callback(self.close)
            for server in self._servers:
                await server.start_serving()
            stack.pop_all()

    def close(self) -> None:
        """Let nobody in any more; connections that are open go on."""
        for server in self._servers:
            server.close()


async def take(
    connected: Callable[[], asyncio.Protocol], hosts: Sequence[str], port: int, *, backlog: int
) -> Listener:
    """The port at every address of the hosts, each of which has one; `connected` serves it there.

    Raises OSError with the system's number and words, and the host as its `filename`.
    """
    loop = asyncio.get_running_loop()
    bound: dict[Any, socket.socket] = {}
    with ExitStack() as stack:
        for host in hosts:
            try:
                found = await loop.getaddrinfo(
                    host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                _bind({each[4]: each[0] for each in found}, bound, stack)
            except OSError as error:
                error.filename = host
                raise
        servers = [
            await loop.create_server(connected, sock=each, backlog=backlog, start_serving=False)
            for each in bound.values()
        ]
        stack.pop_all()
    return Listener(servers)


def _bind(
    addresses: dict[Any, socket.AddressFamily], bound: dict[Any, socket.socket], stack: ExitStack
) -> None:
    """Raises OSError where this machine has none of the addresses, or one is in use."""
    lacking: list[OSError] = []
    for address in [each for each in addresses if each not in bound]:
        try:
            bound[address] = stack.enter_context(_bound(addresses[address], address))
        except OSError as error:
            if error.errno not in _LACKING:
                raise
            lacking.append(error)
    if len(lacking) == len(addresses):
        raise lacking[0]


def _bound(family: socket.AddressFamily, address: Any) -> socket.socket:
    # asyncio writes without delay only to what says that it is TCP.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # what ended a moment ago is in nobody's way; Windows would share it
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
