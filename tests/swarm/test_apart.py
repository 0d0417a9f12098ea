"""What a terminal's Ctrl-C must not reach."""

import asyncio
import os

import pytest

from swarm.apart import begun, kept_from_ctrl_c


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
