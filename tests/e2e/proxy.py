"""A TCP proxy that passes bytes and, on command, spoils them; it stands on a host of a test.

It runs in a thread of its own with an event loop of its own. It knows no protocol: what goes
through TLS is spoiled as bytes.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.hosts import Host

_CHUNK_BYTES = 65_536
_QUEUED_CHUNKS = 64
_Count = Callable[[int, int], None]
_RESET_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """What befalls what passes; the default is nothing."""

    delay_s: float = 0.0
    held: bool = False
    reply_bytes: int | None = None
    garbage: bytes = b""
    refused: bool = False


class Proxy:
    """A running proxy. A command is in force when it returns, and replaces the one before.

    `sent_bytes` and `replied_bytes` count what came from callers and from the target.
    """

    def __init__(self, host: Host, address: tuple[str, int], target: tuple[str, int]) -> None:
        self.host = host
        self.address = address
        self.sent_bytes = 0
        self.replied_bytes = 0
        self.accepted = 0
        self._target = target
        self._fault = Fault()
        self._open: set[_Connection] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._moves = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def port(self) -> int:
        return self.address[1]

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def pass_on(self) -> None:
        """Spoil nothing any more; what was held arrives."""
        self._command(Fault())

    def delay(self, seconds: float) -> None:
        """All bytes arrive that much later, in each direction."""
        self._command(Fault(delay_s=seconds))

    def hold(self) -> None:
        """Nothing passes and nothing closes, as when the other machine has lost its power."""
        self._command(Fault(held=True))

    def truncate(self, after_bytes: int) -> None:
        """Each connection closes in order after that many more bytes of its reply."""
        self._command(Fault(reply_bytes=after_bytes))

    def inject(self, garbage: bytes) -> None:
        """Each connection gets this once, before the next bytes of its reply."""
        self._command(Fault(garbage=garbage))

    def refuse(self) -> None:
        """New connections are reset at once."""
        self._command(Fault(refused=True))

    def reset(self) -> None:
        """Reset every open connection on both sides, once."""
        self._call(self._reset_all)

    def end(self) -> None:
        self._call(self._ended.set)

    async def serve(self, listening: socket.socket, ready: Callable[[], None]) -> None:
        """Run until `end`. Connections start from where this thread stands."""
        self._loop = asyncio.get_running_loop()
        self._moves.set()
        async with asyncio.TaskGroup() as tasks:

            def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                tasks.create_task(self._pass(reader, writer))

            server = await asyncio.start_server(start, sock=listening)
            ready()
            await self._ended.wait()
            server.close()
            await asyncio.sleep(0)  # Who was just accepted is in.
            self._reset_all()

    def _command(self, fault: Fault) -> None:
        self._call(lambda: self._apply(fault))

    def _call(self, action: Callable[[], None]) -> None:
        """Do it in the proxy's loop and wait until it is done."""

        async def act() -> None:
            action()

        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(act(), self._loop).result(10)

    def _apply(self, fault: Fault) -> None:
        self._fault = fault
        for connection in self._open:
            connection.meet(fault)
        if fault.held:
            self._moves.clear()
        else:
            self._moves.set()

    def _reset_all(self) -> None:
        for connection in self._open:
            connection.task.cancel()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(asyncio.current_task(), self._moves, self._fault, [writer])
        self._open.add(connection)
        self.accepted += 1
        try:
            if not self._fault.refused:
                await connection.run(reader, self._target, self._count)
        except* OSError:
            pass  # One side is gone: the other learns it now.
        finally:
            connection.reset()
            self._open.remove(connection)

    def _count(self, sent: int, replied: int) -> None:
        self.sent_bytes += sent
        self.replied_bytes += replied


@dataclass(eq=False)
class _Connection:
    """A caller and its way to the target; `writers`: to the caller, then to the target."""

    task: Any
    moves: asyncio.Event
    fault: Fault
    writers: list[asyncio.StreamWriter]
    left: int | None = field(init=False)
    garbage: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.meet(self.fault)

    def meet(self, fault: Fault) -> None:
        self.fault, self.left, self.garbage = fault, fault.reply_bytes, fault.garbage

    async def run(
        self, caller: asyncio.StreamReader, target: tuple[str, int], count: _Count
    ) -> None:
        """Pass both ways until both have ended. Raises OSError where a side fails."""
        await self.moves.wait()
        answering, to_target = await asyncio.open_connection(*target)
        self.writers.append(to_target)
        async with asyncio.TaskGroup() as ways:
            ways.create_task(self._way(caller, lambda n: count(n, 0), self._send))
            ways.create_task(self._way(answering, lambda n: count(0, n), self._reply))
        for writer in self.writers:
            writer.close()
            await writer.wait_closed()

    def reset(self) -> None:
        """Close at once what is still open."""
        for writer in self.writers:
            if not writer.is_closing():
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_ONCE)
            writer.transport.abort()

    async def _way(
        self,
        source: asyncio.StreamReader,
        count: Callable[[int], None],
        pass_on: Callable[[bytes], Awaitable[None]],
    ) -> None:
        """Pass what comes when it is due, up to its end (b"") or a reset (None)."""
        queue: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(_QUEUED_CHUNKS)
        reading = asyncio.create_task(self._read(source, count, queue))
        try:
            data: bytes | None = b"more"
            while data:
                due, data = await queue.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                await self.moves.wait()
                if data is None:
                    raise ConnectionResetError
                await pass_on(data)
        finally:
            reading.cancel()

    async def _read(
        self,
        source: asyncio.StreamReader,
        count: Callable[[int], None],
        queue: asyncio.Queue[tuple[float, bytes | None]],
    ) -> None:
        clock = asyncio.get_running_loop().time
        data: bytes | None = b"more"
        while data:
            try:
                data = await source.read(_CHUNK_BYTES)
            except OSError:
                data = None
            count(len(data or b""))
            await queue.put((clock() + self.fault.delay_s, data))

    async def _send(self, data: bytes) -> None:
        await _write(self.writers[1], data)

    async def _reply(self, data: bytes) -> None:
        """Raises ConnectionResetError where the reply was cut."""
        if data:
            data, self.garbage = self.garbage + data, b""
        if self.left is not None:
            data = data[: self.left]
            self.left -= len(data)
        to_caller = self.writers[0]
        await _write(to_caller, data)
        if self.left == 0:
            to_caller.close()
            await to_caller.wait_closed()
            raise ConnectionResetError


async def _write(sink: asyncio.StreamWriter, data: bytes) -> None:
    if data:
        sink.write(data)
    else:
        sink.write_eof()
    await sink.drain()


@contextlib.contextmanager
def fault_proxy(host: Host, target: tuple[str, int], *, port: int = 0) -> Iterator[Proxy]:
    """A proxy on `host` for what listens at `target`, as seen from there; gone after the block."""
    with host.inside():
        listening = socket.create_server((host.ipv4, port))
    proxy = Proxy(host, listening.getsockname(), target)
    ready = threading.Event()

    def serve() -> None:
        with host.inside():
            asyncio.run(proxy.serve(listening, ready.set))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert ready.wait(10)
        yield proxy
    finally:
        proxy.end()
        thread.join(10)
