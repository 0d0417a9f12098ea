"""Who listens on a port."""

import os
import socket

from hardware.listener import holder_of


def test_who_listens_on_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"(process {os.getpid()})" in (holder_of(port) or "")
    assert holder_of(port) is None
