"""Which door of a node is open, and what keeps it shut."""

import errno
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from federation.doors import Doors
from federation.pairing import Joined
from federation.pin import Pin


async def joined(_: Joined) -> None:
    """Nobody joins here."""


async def test_a_port_in_use_names_its_holder_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=port, on_joined=joined)
        for _ in range(2):
            await doors.open_right(None, alone=True, hosts=("127.0.0.1",))
    assert f"(process {os.getpid()}) has port {port}" in (doors.trouble or "")
    assert caplog.text.count("--peer-port N") == 1
    await doors.open_right(None, alone=True, hosts=("127.0.0.1",))
    assert doors.trouble is None
    await doors.close_pairing()


class FullDisk:
    """An era whose door cannot open."""

    is_open, port = False, 0

    async def open_door(self, hosts: Sequence[str], port: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/state")


@pytest.mark.parametrize(
    ("alone", "told"),
    [(True, "nobody can pair with this machine: 192.0.2.7"), (False, "on device (/state)")],
)
async def test_only_a_port_in_use_has_a_holder(*, alone: bool, told: str) -> None:
    doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=17617, on_joined=joined)
    era: Any = None if alone else FullDisk()
    await doors.open_right(era, alone=alone, hosts=("192.0.2.7",))
    assert told in (doors.trouble or "")
    assert "has port" not in (doors.trouble or "")
