"""Processes of this program's own beside the node: its engines, its downloads."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent


async def begun(module: str, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """A process that runs the module, with pipes to and from it."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        env=dict(environment),
        **kept_from_ctrl_c(sys.platform),
    )


def kept_from_ctrl_c(system: str) -> dict[str, Any]:
    """What keeps a terminal's Ctrl-C from a process: the node hears it, and ends what it began.

    `system` as in sys.platform. Windows knows no sessions, and passes over that option.
    """
    if system == "win32":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200)}
    return {"start_new_session": True}
