"""Machines on the LAN that do not belong: they announce themselves and write down what comes."""

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zeroconf

from federation.advertisement import (
    Advertisement,
    encode_txt,
    instance_name,
)
from federation.mdns import SERVICE
from federation.trust import Credentials, NodeKey
from tests.e2e.hosts import Host


class Notebook(socketserver.ThreadingTCPServer):
    """Takes every connection and reads all that comes: `raw` bytes, or what TLS lets through."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        super().__init__(address, _Reading)
        self.context = context
        self.connections = 0
        self.raw = bytearray()
        self.told = bytearray()


class _Reading(socketserver.BaseRequestHandler):
    server: Notebook

    def handle(self) -> None:
        self.server.connections += 1
        self.request.settimeout(5)
        with contextlib.suppress(OSError):
            if self.server.context is None:
                _read(self.request, self.server.raw)
                return
            with self.server.context.wrap_socket(self.request, server_side=True) as talking:
                _read(talking, self.server.told)


def _read(connection: Any, into: bytearray) -> None:
    while data := connection.recv(65_536):
        into += data


@contextlib.contextmanager
def notebook(host: Host, port: int, context: ssl.SSLContext | None) -> Iterator[Notebook]:
    """A listener on the host, in a thread."""
    with host.inside():
        listening = Notebook((host.ipv4, port), context)
    with listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield listening
        finally:
            listening.shutdown()
            thread.join()


@contextlib.contextmanager
def announced(host: Host, key: NodeKey, federation: str, port: int) -> Iterator[None]:
    """The host says that a member of that federation listens there."""
    with host.inside():
        speaking = zeroconf.Zeroconf(interfaces=[host.ipv4])
    node = key.node_id
    said = Advertisement.of(node, federation, port=port)
    name = instance_name("rogue", node)
    info = zeroconf.ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=port,
        properties=encode_txt(said),
        server=f"{name}.local.",
        addresses=[socket.inet_aton(host.ipv4)],
    )
    with speaking:
        speaking.register_service(info, cooperating_responders=True)
        yield


def stranger(folder: Path, secret: bytes) -> Credentials:
    """What somebody with that secret, and no other, can prove."""
    folder.mkdir(parents=True, exist_ok=True)
    return Credentials(NodeKey.load_or_make(folder / "key.pem"), secret, folder)


def careless(credentials: Credentials) -> ssl.SSLContext:
    """The context of a door that lets everybody in, to hear what they say."""
    context = credentials.server_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_mode = ssl.CERT_NONE
    return context
