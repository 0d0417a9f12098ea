"""Work of tools in threads, and whose place it has."""

import asyncio
import threading
from typing import Any

import pytest

from tools.errors import TooBusy
from tools.kept import KeptOutputs
from tools.registry import MOST_CALLS, Registry
from tools.threads import Threads
from tools.workspace import Workspace


class Gated(Workspace):
    """A workspace whose reading waits until it may go on."""

    gate: threading.Event
    begun: threading.Semaphore

    def read(self, *args: Any, **kwargs: Any) -> bytes:
        self.begun.release()
        assert self.gate.wait(20)
        return super().read(*args, **kwargs)


@pytest.fixture
def gated(workspace: Workspace) -> Any:
    (workspace.root / "a").write_text("a")
    with Gated(workspace.root) as found:
        found.gate, found.begun = threading.Event(), threading.Semaphore(0)
        yield found


async def test_a_call_keeps_its_place_until_its_thread_has_ended(
    gated: Gated, kept: KeptOutputs, threads: Threads
) -> None:
    registry = Registry(gated, kept, threads)
    read = {"filePath": "a"}
    calls = [asyncio.create_task(registry.execute("read", read)) for _ in range(MOST_CALLS)]
    try:
        for _ in calls:
            assert await asyncio.to_thread(gated.begun.acquire, timeout=20)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert threads.left == MOST_CALLS
        with pytest.raises(TooBusy):
            await registry.execute("read", read)
        assert await asyncio.to_thread(str, 1) == "1"  # the doors' threads are others
    finally:
        gated.gate.set()
    await asyncio.to_thread(threads.__exit__, None, None, None)
    assert threads.left == 0


async def test_work_that_has_not_begun_ends_with_its_caller() -> None:
    gate, done = threading.Event(), threading.Event()
    threads = Threads(1)
    first = asyncio.create_task(threads.run(gate.wait, 20))
    second = asyncio.create_task(threads.run(done.set))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait({second})
    assert threads.left == 0
    gate.set()
    assert await first
    await asyncio.to_thread(threads.__exit__, None, None, None)
    assert not done.is_set()


async def test_what_goes_wrong_in_a_thread_is_told(threads: Threads) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await threads.run(int, "x")
