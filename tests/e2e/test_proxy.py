"""The fault proxy, between a caller and an echo that stand on hosts of their own."""

import contextlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hosts import Host, network
from tests.e2e.proxy import Proxy, fault_proxy
from tests.waiting import wait_until

pytestmark = pytest.mark.needs("namespaces")


class Echo(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ConnectionResetError):
            while data := self.rfile.readline():
                self.wfile.write(data)


@contextlib.contextmanager
def echo(host: Host) -> Iterator[tuple[str, int]]:
    with host.inside(), socketserver.ThreadingTCPServer((host.ipv4, 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield (host.ipv4, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with network(2, tmp_path_factory.mktemp("lan")) as lan:
        caller, target = lan.hosts
        with echo(target) as address, fault_proxy(caller, address) as proxy:
            yield proxy


@pytest.fixture
def caller(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection through the proxy that has proved itself."""
    proxy.pass_on()
    with proxy.host.inside():
        connection = socket.create_connection(proxy.address, timeout=10)
    with connection:
        assert asked(connection, b"hello\n") == b"hello\n"
        yield connection


def asked(connection: socket.socket, line: bytes) -> bytes:
    connection.sendall(line)
    return connection.recv(1000)


def call_anew(proxy: Proxy) -> bytes:
    with proxy.host.socket() as connection:
        connection.connect(proxy.address)
        return connection.recv(1000)


def test_it_passes_bytes_and_counts_them(proxy: Proxy, caller: socket.socket) -> None:
    sent, replied = proxy.sent_bytes, proxy.replied_bytes
    line = b"x" * 300_000 + b"\n"
    caller.sendall(line)
    echoed = b""
    while not echoed.endswith(b"\n"):
        echoed += caller.recv(65_536)
    assert echoed == line
    assert (proxy.sent_bytes - sent, proxy.replied_bytes - replied) == (300_001, 300_001)


def test_an_end_in_order_passes(proxy: Proxy, caller: socket.socket) -> None:
    caller.sendall(b"bye\n")
    caller.shutdown(socket.SHUT_WR)
    assert caller.makefile("rb").read() == b"bye\n"
    wait_until(lambda: proxy.open_connections == 0)


def test_a_delay_makes_both_ways_late(proxy: Proxy, caller: socket.socket) -> None:
    proxy.delay(0.2)
    began = time.monotonic()
    assert asked(caller, b"late\n") == b"late\n"
    assert time.monotonic() - began >= 0.4


def test_a_held_connection_is_silent_and_open_and_then_loses_nothing(
    proxy: Proxy, caller: socket.socket
) -> None:
    proxy.hold()
    caller.settimeout(0.2)
    with pytest.raises(TimeoutError):
        asked(caller, b"held\n")
    caller.settimeout(10)
    proxy.pass_on()
    assert caller.recv(1000) == b"held\n"


def test_a_truncated_reply_ends_in_order_after_its_bytes(
    proxy: Proxy, caller: socket.socket
) -> None:
    proxy.truncate(after_bytes=3)
    assert asked(caller, b"truncated\n") == b"tru"
    assert caller.recv(1000) == b""
    wait_until(lambda: proxy.open_connections == 0)


def test_garbage_stands_before_the_reply(proxy: Proxy, caller: socket.socket) -> None:
    proxy.inject(b"\x00garbage")
    caller.sendall(b"asked\n")
    assert caller.makefile("rb").readline() == b"\x00garbageasked\n"
    assert asked(caller, b"again\n") == b"again\n"


def test_open_connections_are_reset(proxy: Proxy, caller: socket.socket) -> None:
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        caller.recv(1000)
    wait_until(lambda: proxy.open_connections == 0)


def test_new_connections_are_refused(proxy: Proxy, caller: socket.socket) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionResetError):
        call_anew(proxy)
    assert asked(caller, b"still\n") == b"still\n"


def test_a_held_connection_goes_with_the_proxy(tmp_path: Path) -> None:
    with network(1, tmp_path) as lan, echo(lan.hosts[0]) as address:
        with fault_proxy(lan.hosts[0], address) as proxy, proxy.host.inside():
            connection = socket.create_connection(proxy.address, timeout=10)
            proxy.hold()
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(1000)
