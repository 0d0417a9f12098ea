"""What a terminal's Ctrl-C must not reach, and what the system does not let begin."""

import asyncio
import errno
import os
import sys

import psutil
import pytest

from swarm.apart import begun, kept_from_ctrl_c
from tests.threadless import allow_no_thread
from tests.waiting import until


@pytest.mark.parametrize(
    ("system", "options"),
    [
        ("linux", {"start_new_session": True}),
        ("darwin", {"start_new_session": True}),
        ("win32", {"creationflags": 0x200}),
    ],
)
def test_ctrl_c_is_kept_from_processes_in_each_systems_way(
    system: str, options: dict[str, object]
) -> None:
    assert kept_from_ctrl_c(system) == options


@pytest.mark.skipif(not hasattr(os, "getsid"), reason="Windows knows no sessions")
async def test_a_process_has_a_session_of_its_own() -> None:
    process = await begun("json.tool", {})
    try:
        assert os.getsid(process.pid) == process.pid
    finally:
        async with asyncio.timeout(30):
            await process.communicate(b"{}")


@pytest.mark.skipif(
    (sys.platform == "linux" and sys.version_info >= (3, 12)) or os.name == "nt",
    reason="no thread waits there for a process",
)
async def test_without_a_thread_to_wait_for_it_a_process_is_refused_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def children() -> set[int]:
        """Zombies too: they count in the system's limits."""
        return {each.pid for each in psutil.Process().children()}

    before = children()
    with monkeypatch.context() as patch:
        allow_no_thread(patch)
        with pytest.raises(OSError, match="no more processes or threads") as caught:
            await begun("json.tool", {})
    assert caught.value.errno == errno.EAGAIN
    (left,) = children() - before
    await until(lambda: left not in children())
