"""A proxy that opens tunnels (CONNECT) to hosts on a list and to nothing else; on a Unix socket.

It resolves names itself, once, and connects to what it has checked. What passes it never reads.
"""

import asyncio
import contextlib
import ipaddress
import logging
import re
from collections.abc import AsyncGenerator, Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ending import ended
from tools.addresses import is_public
from tools.errors import InvalidArguments
from tools.fetcher import Resolve, resolve

logger = logging.getLogger(__name__)

MOST_TUNNELS = 64
_HTTPS = 443
_HEAD_BYTES = 8192
_HEAD_S = 10.0
_CONNECT_S = 10.0
_CHUNK = 1 << 16
_NAME = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_PORT = re.compile(rf"({_NAME}|\[[0-9a-f:.]+\])(?::([1-9][0-9]{{0,4}}))?")
_CONNECT = re.compile(r"CONNECT (\S+) HTTP/1\.[01]\r\n")

HostPort = tuple[str, int]


class _RefusedError(Exception):
    """No tunnel is opened: a status, and why."""

    def __init__(self, status: str, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts and ports. A name leads to public addresses, and to those that stand here too."""

    listed: frozenset[HostPort]

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """From `host` (port 443), `host:port`, an address likewise. Raises InvalidArguments."""
        return cls(frozenset(parse_host_port(entry, port=_HTTPS) for entry in entries))

    def permits(self, host_port: HostPort, address: str) -> bool:
        """Whether what is listed may be reached at this address of its host."""
        return is_public(address) or (address, host_port[1]) in self.listed


def parse_host_port(text: str, *, port: int | None) -> HostPort:
    """`host:port`; without a port it is `port`. Raises InvalidArguments."""
    found = _HOST_PORT.fullmatch(text.lower())
    told = int(found[2]) if found and found[2] else port
    if found is None or told is None or told > 65535 or len(found[1]) > 253:
        raise InvalidArguments(f"{text[:100]!r} is no host, and no host:port")
    host = found[1].strip("[]")
    if ":" in host or host.replace(".", "").isdigit():
        try:
            host = str(ipaddress.ip_address(host))
        except ValueError:
            raise InvalidArguments(f"{text[:100]!r} is no address") from None
    return host, told


class PackageProxy:
    """Listens on `path` from entering the context until leaving it, which ends all tunnels."""

    def __init__(self, path: Path, allowed: AllowList, *, resolve: Resolve = resolve) -> None:
        self.path = path
        self._allowed = allowed
        self._resolve = resolve
        self._server: asyncio.Server | None = None
        self._tunnels: set[asyncio.Task[None]] = set()
        self._told: set[HostPort] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._accepted, self.path, limit=_HEAD_BYTES)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        await ended(*self._tunnels)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tunnels) >= 2 * MOST_TUNNELS:
            writer.transport.abort()  # whoever opens so many wants this process's descriptors
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tunnels.add(task)
        task.add_done_callback(self._tunnels.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closed(writer):
            try:
                host_port = await self._asked(reader)
                there, away = await self._connected(host_port)
            except _RefusedError as refused:
                writer.write(f"HTTP/1.1 {refused.status}\r\n\r\n{refused}\n".encode())
                with contextlib.suppress(OSError):
                    await writer.drain()
                return
            async with _closed(away):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await _both(_passed(reader, away), _passed(there, writer))

    async def _asked(self, reader: asyncio.StreamReader) -> HostPort:
        """Where to a tunnel is asked for, if that is on the list."""
        try:
            async with asyncio.timeout(_HEAD_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        except (TimeoutError, OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            raise _RefusedError("400 Bad Request", "this is no request") from None
        if len(self._tunnels) > MOST_TUNNELS:
            raise _RefusedError("503 Busy", f"{MOST_TUNNELS} tunnels are open")
        found = _CONNECT.match(head)
        if found is None:
            raise _RefusedError("405 Method Not Allowed", "only tunnels (CONNECT), so only https")
        try:
            host_port = parse_host_port(found[1], port=None)
        except InvalidArguments as error:
            raise _RefusedError("400 Bad Request", str(error)) from None
        if host_port not in self._allowed.listed:
            self._tell(host_port)
            raise _RefusedError(
                "403 Forbidden", f"{host_port[0]}:{host_port[1]} is not on the list"
            )
        return host_port

    async def _connected(
        self, host_port: HostPort
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first address that answers; every one of them was checked."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                addresses = await self._resolve(*host_port)
                if not all(self._allowed.permits(host_port, address) for address in addresses):
                    self._tell(host_port)
                    raise _RefusedError("403 Forbidden", f"{host_port[0]} is not on the internet")
                for address in addresses[:-1]:
                    with contextlib.suppress(OSError):
                        return await asyncio.open_connection(address, host_port[1])
                return await asyncio.open_connection(addresses[-1], host_port[1])
        except (OSError, TimeoutError, UnicodeError, IndexError):
            raise _RefusedError("502 Bad Gateway", f"{host_port[0]} cannot be reached") from None

    def _tell(self, host_port: HostPort) -> None:
        """Once for each host and port, and not without end."""
        if host_port not in self._told and len(self._told) < 100:
            self._told.add(host_port)
            logger.info("a command was refused the way to %s:%d", *host_port)


@contextlib.asynccontextmanager
async def _closed(writer: asyncio.StreamWriter) -> AsyncGenerator[None]:
    """Closed at the end, whatever is still unsent."""
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.wait_closed()
        writer.transport.abort()


async def _passed(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Everything from one side to the other, then its end."""
    while chunk := await source.read(_CHUNK):
        target.write(chunk)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()


async def _both(*ways: Coroutine[None, None, None]) -> None:
    """Until both ways have ended, or one has failed."""
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        with contextlib.suppress(OSError):
            await asyncio.gather(*tasks)
    finally:
        await ended(*tasks)
