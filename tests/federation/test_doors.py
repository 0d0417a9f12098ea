"""Which door of a node is open, and what keeps it shut."""

import errno
import logging
import os
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from federation.doors import TRIES_UNTOLD, Doors
from federation.pairing import Joined
from federation.pin import Pin
from tests.federation.sides import Side, listening


async def joined(_: Joined) -> None:
    """Nobody joins here."""


async def test_a_port_in_use_names_its_holder_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=port, on_joined=joined)
        for _ in range(2):
            await doors.open_right(None, alone=True, hosts=("127.0.0.1",))
    assert f"(process {os.getpid()}) has port {port}" in (doors.trouble or "")
    assert caplog.text.count("--peer-port N") == 1
    await doors.open_right(None, alone=True, hosts=("127.0.0.1",))
    assert doors.trouble is None
    assert caplog.messages[-1] == "this machine can be paired with now"
    await doors.close_pairing()


class Closed:
    """An era whose door cannot open, until nothing is in its way."""

    is_open, port = False, 0

    def __init__(self, error: OSError) -> None:
        self.error: OSError | None = error

    async def open_door(self, hosts: Sequence[str], port: int) -> None:
        if self.error is not None:
            raise self.error


class Moving:
    """An era whose door is a real one."""

    is_open, port = False, 0

    def __init__(self, there: Side) -> None:
        self._there = there

    async def open_door(self, hosts: Sequence[str], port: int) -> None:
        assert self._there.door is not None
        await self._there.door.listen(hosts)


@pytest.mark.parametrize(
    ("tries", "told"),
    [(TRIES_UNTOLD, []), (TRIES_UNTOLD + 2, ["the peer door cannot", "the peer door listens now"])],
)
async def test_an_address_that_is_not_ready_is_told_of_when_that_lasts_and_when_it_is_over(
    tries: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=17617, on_joined=joined)
    era: Any = Closed(OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"))
    for _ in range(tries):
        await doors.open_right(era, alone=False, hosts=("fe80::1%2",))
    era.error = None
    for _ in range(2):
        await doors.open_right(era, alone=False, hosts=("fe80::1%2",))
    assert [said[: len(each)] for said, each in zip(caplog.messages, told, strict=True)] == told


@pytest.mark.parametrize(
    ("alone", "told"),
    [(True, "nobody can pair with this machine: 192.0.2.7"), (False, "on device (/state)")],
)
async def test_only_a_port_in_use_has_a_holder(*, alone: bool, told: str) -> None:
    doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=17617, on_joined=joined)
    full = OSError(errno.ENOSPC, "No space left on device", "/state")
    era: Any = None if alone else Closed(full)
    for _ in range(TRIES_UNTOLD + 1):
        await doors.open_right(era, alone=alone, hosts=("192.0.2.7",))
    assert told in (doors.trouble or "")
    assert "has port" not in (doors.trouble or "")


@pytest.mark.parametrize("alone", [True, False])
async def test_what_the_system_says_of_an_address_that_is_not_there_is_known(
    *, alone: bool, here: Side, caplog: pytest.LogCaptureFixture
) -> None:
    """Some of asyncio's own ways to listen keep it back."""
    async with listening(here):
        doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=17617, on_joined=joined)
        era: Any = None if alone else Moving(here)
        for _ in range(TRIES_UNTOLD):
            await doors.open_right(era, alone=alone, hosts=("192.0.2.7",))
        assert (doors.trouble, caplog.messages) == (None, [])
        await doors.open_right(era, alone=alone, hosts=("192.0.2.7",))
        assert "192.0.2.7" in (doors.trouble or "")
        assert os.strerror(errno.EADDRNOTAVAIL) in (doors.trouble or "")


async def test_a_port_that_nobody_may_have_is_told_of_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", refuse)
    doors = Doors("a" * 64, Pin(lambda _: 0, 0.0), port=80, on_joined=joined)
    await doors.open_right(None, alone=True, hosts=("127.0.0.1",))
    assert "127.0.0.1 port 80: Permission denied" in (doors.trouble or "")
