"""How a sandbox is tried; what it keeps away stands in tests/parts/tools."""

import asyncio
import sys
import threading

import pytest

from tools.bounds import Bounds, Launch
from tools.bubblewrap import Bubblewrap
from tools.sandbox import choose_sandbox


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap is tried on Linux only")
async def test_who_ends_a_trial_waits_for_what_it_writes(
    bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    begun, may_write = asyncio.Event(), threading.Event()
    written = bounds.kept / "etc"

    def launch(_sandbox: Bubblewrap, _script: str, _folder: str) -> Launch:
        loop.call_soon_threadsafe(begun.set)
        may_write.wait()
        written.touch()
        return Launch(["false"], {})

    monkeypatch.setattr(Bubblewrap, "launch", launch)
    choosing = asyncio.create_task(choose_sandbox(bounds, which=lambda _name: "/bin/sh"))
    await begun.wait()
    choosing.cancel()
    await asyncio.wait({choosing}, timeout=0.05)
    was_done = choosing.done()
    may_write.set()
    with pytest.raises(asyncio.CancelledError):
        await choosing
    assert not was_done
    assert written.exists()
