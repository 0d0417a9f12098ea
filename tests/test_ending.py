"""What is begun is ended, and waited for."""

import asyncio
import gc
import sys
from typing import Any

import pytest

from ending import beside, ended, killed, whole


class Slow:
    """Work that goes on until it is cancelled, and then ends when it may."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.may_end = asyncio.Event()
        self.whole = False

    async def run(self) -> None:
        try:
            self.began.set()
            await asyncio.Event().wait()
        finally:
            self.cancelled.set()
            while not self.may_end.is_set():
                try:
                    await self.may_end.wait()
                except asyncio.CancelledError:
                    continue
            self.whole = True


async def fail() -> None:
    raise ValueError("of ours")


async def begun(slow: Slow) -> asyncio.Task[None]:
    task = asyncio.create_task(slow.run())
    await slow.began.wait()
    return task


async def test_all_have_ended_when_it_returns() -> None:
    one, other = Slow(), Slow()
    tasks = [await begun(one), await begun(other)]
    ending = asyncio.create_task(ended(*tasks))
    await other.cancelled.wait()
    one.may_end.set()
    await asyncio.wait({tasks[0]})
    assert not ending.done()
    other.may_end.set()
    await ending
    assert (one.whole, other.whole) == (True, True)


async def test_nothing_is_ended_at_once() -> None:
    await ended()


async def test_how_one_ended_is_not_raised_here() -> None:
    failed = asyncio.create_task(fail())
    await asyncio.wait({failed})
    await ended(failed)
    with pytest.raises(ValueError, match="of ours"):
        failed.result()


async def test_who_is_cancelled_meanwhile_is_cancelled_when_they_have_ended() -> None:
    slow = Slow()
    task = await begun(slow)
    ending = asyncio.create_task(ended(task))
    await slow.cancelled.wait()
    ending.cancel()
    await asyncio.sleep(0)
    assert not ending.done()
    slow.may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert slow.whole


async def test_what_must_be_whole_goes_on_however_often_who_waits_is_cancelled() -> None:
    may_end, done = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        await may_end.wait()
        done.set()
        return 7

    waiting = asyncio.create_task(whole(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()
    assert await whole(work()) == 7


async def test_what_must_be_whole_and_fails_is_the_cause_where_who_waits_is_cancelled() -> None:
    may_end = asyncio.Event()

    async def work() -> None:
        await may_end.wait()
        await fail()

    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    waiting = asyncio.create_task(whole(work()))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    may_end.set()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await waiting
    assert isinstance(cancelled.value.__cause__, ValueError)
    del waiting, cancelled
    gc.collect()
    assert complaints == []


async def test_what_runs_beside_ends_with_the_block(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    slow.may_end.set()

    async def block() -> None:
        async with beside(slow.run(), "slow"):
            await slow.began.wait()
            raise KeyError

    with pytest.raises(KeyError):
        await block()
    assert slow.whole
    assert caplog.messages == []


async def test_a_failure_beside_is_told_at_once_and_the_block_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = asyncio.Event()

    async def failing() -> None:
        asyncio.get_running_loop().call_soon(told.set)
        await fail()

    async with beside(failing(), "the pulse"):
        await told.wait()
        await asyncio.sleep(0)
        assert caplog.messages == ["the pulse: it ended by a mistake of ours"]
        assert "of ours" in caplog.text


async def test_a_process_is_killed_though_nobody_has_read_what_it_said() -> None:
    says = "print('more than is held', flush=True); input()"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", says),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1,
    )
    assert process.stdout
    await process.stdout.readexactly(1)
    async with asyncio.timeout(20):
        await killed(process)
    assert process.returncode
