"""What a signal ends, and when."""

import asyncio
import logging
import os
import signal
from typing import Any

import pytest

from api.signals import Signals


@pytest.fixture(autouse=True)
def handlers() -> object:
    """The earlier ones come back."""
    known = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in known.items():
        signal.signal(number, handler)


class Work:
    """A start that takes long, and cleans up; then it serves."""

    def __init__(self) -> None:
        self.starts = asyncio.Event()
        self.serves = asyncio.Event()
        self.may_serve = asyncio.Event()
        self.hurried = asyncio.Event()
        self.clean = False

    async def run(self, signals: Signals) -> None:
        try:
            self.starts.set()
            await self.may_serve.wait()
            first = signals.wait_for_first()
            self.serves.set()
            await first
            signals.on_second(self.hurried.set)
            await self.hurried.wait()
        finally:
            self.clean = True


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_it_starts_ends_the_start_in_order(
    number: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    work, signals = Work(), Signals()
    running = asyncio.create_task(signals.run(work.run(signals)))
    await work.starts.wait()
    send(number)
    async with asyncio.timeout(20):
        await running
    assert work.clean
    assert caplog.messages == ["ended before it had started"]


async def test_a_second_signal_hurries_also_one_that_came_early() -> None:
    work, signals = Work(), Signals()
    work.may_serve.set()
    running = asyncio.create_task(signals.run(work.run(signals)))
    await work.serves.wait()
    send(signal.SIGINT)
    send(signal.SIGTERM)
    async with asyncio.timeout(20):
        await running
    assert work.hurried.is_set()


async def test_a_timeout_of_the_work_is_its_own() -> None:
    async def late() -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        await Signals().run(late())


async def test_a_signal_after_a_start_that_failed_ends_nothing_more() -> None:
    async def failing() -> None:
        raise OSError("the port is in use")

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    signals = Signals()
    with pytest.raises(OSError, match="in use"):
        await signals.run(failing())
    send()
    async with asyncio.timeout(20):
        await signals.first.wait()
    assert complaints == []
