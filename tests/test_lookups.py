"""A name that is looked up holds up nobody."""

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lookups import run
from tests.threadless import allow_no_thread

ROOT = Path(__file__).parent.parent

HANGING = """
import asyncio, socket, threading
from lookups import run

asked = threading.Event()

def hang(*_):
    asked.set()
    threading.Event().wait()

socket.getaddrinfo = hang

async def connect():
    trying = asyncio.create_task(asyncio.open_connection("kitchen.example.org", 1))
    await asyncio.to_thread(asked.wait)
    trying.cancel()

run(connect())
print("ended")
"""


def test_a_program_ends_while_a_name_is_looked_up() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANGING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_look_ups_are_answered_while_others_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    system = socket.getaddrinfo

    def one_hangs(host: str, *more: int) -> object:
        if host == "kitchen.example.org":
            may_end.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return system(host, *more)

    async def several() -> None:
        loop = asyncio.get_running_loop()
        # More than the loop's own executor has threads.
        hanging = [
            asyncio.create_task(loop.getaddrinfo("kitchen.example.org", 1)) for _ in range(40)
        ]
        found = await loop.getaddrinfo("127.0.0.1", 17, type=socket.SOCK_STREAM)
        assert [each[4] for each in found] == [("127.0.0.1", 17)]
        for task in hanging:
            task.cancel()

    monkeypatch.setattr(socket, "getaddrinfo", one_hangs)
    try:
        run(several())
    finally:
        may_end.set()


def test_a_name_that_is_none_is_told_as_the_system_does() -> None:
    async def ask(host: str) -> None:
        await asyncio.get_running_loop().getaddrinfo(host, 1, flags=socket.AI_NUMERICHOST)

    with pytest.raises(socket.gaierror):
        run(ask("no address"))


@pytest.mark.parametrize("name", ["a" * 64 + ".example.org", "kitchen..org"])
def test_what_python_takes_for_no_name_is_told_as_the_system_does(name: str) -> None:
    with pytest.raises(socket.gaierror, match="cannot be a machine's name") as told:
        run(asyncio.wait_for(_asked(name), 5))
    assert told.value.errno == socket.EAI_NONAME


async def _asked(name: str) -> None:
    await asyncio.get_running_loop().getaddrinfo(name, 1)


def test_a_look_up_for_which_no_thread_can_begin_fails_as_one_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask() -> None:
        await asyncio.get_running_loop().getaddrinfo("kitchen.example.org", 1)

    allow_no_thread(monkeypatch)
    with pytest.raises(socket.gaierror, match="allows no thread") as told:
        run(ask())
    assert told.value.errno == socket.EAI_AGAIN


@pytest.mark.parametrize(("odd", "untold"), [(MemoryError, []), (LookupError, [LookupError])])
def test_whatever_a_look_up_fails_with_nobody_waits_for_ever(
    odd: type[Exception], untold: list[type[Exception]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[type[BaseException]] = []

    def fails(*_: object) -> object:
        raise odd

    async def ask() -> None:
        async with asyncio.timeout(30):
            await asyncio.get_running_loop().getaddrinfo("kitchen.example.org", 1)

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    monkeypatch.setattr(threading, "excepthook", lambda told: ended.append(told.exc_type))
    with pytest.raises(odd):
        run(ask())
    for thread in threading.enumerate():
        if thread.name == "look-up":
            thread.join(30)
    assert ended == untold


def test_the_work_s_result_is_given_back() -> None:
    async def work() -> int:
        return 3

    assert run(work()) == 3
