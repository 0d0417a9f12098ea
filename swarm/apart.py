"""Processes of this program's own beside the node: its engines, its downloads."""

import asyncio
import errno
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent

TOO_MANY = "the system allows no more processes or threads (ulimit -u, a container's pids limit)"
"""What is told of a machine on which nothing more can be begun."""

_LINE_BYTES = 1 << 16
"""The longest line that is read from such a process, as usual with asyncio."""

_LOOK_S = 0.1
"""How long until a killed process that nobody waits for is looked at again."""


class _Pipes(asyncio.subprocess.SubprocessStreamProtocol):
    """To a process; where asyncio gives it to nobody, it is ended as soon as it is connected."""

    given_up = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.given_up:
            transport.close()
            _bury(transport.get_extra_info("subprocess"))


def _bury(killed: subprocess.Popen[bytes]) -> None:
    """Take note of its end, without a thread: until then it counts in the limit that was met."""
    if killed.poll() is None:
        asyncio.get_running_loop().call_later(_LOOK_S, _bury, killed)


async def begun(module: str, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """A process that runs the module, with pipes to and from it. Raises OSError where the system
    allows none, or no thread that waits for its end.
    """
    loop = asyncio.get_running_loop()
    pipes = _Pipes(limit=_LINE_BYTES, loop=loop)
    try:
        transport, _ = await loop.subprocess_exec(
            lambda: pipes,
            sys.executable,
            "-m",
            module,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None,
            cwd=_ROOT,
            env=dict(environment),
            **kept_from_ctrl_c(sys.platform),
        )
    except (RuntimeError, OSError) as error:
        pipes.given_up = True  # it may run already, with nobody to wait for its end
        if isinstance(error, BlockingIOError) or lacks_thread(error):
            raise OSError(errno.EAGAIN, TOO_MANY) from error
        raise
    return asyncio.subprocess.Process(transport, pipes, loop)


def lacks_thread(error: Exception) -> bool:
    """Whether that is what Python says where the system allows no more threads."""
    return isinstance(error, RuntimeError) and str(error) == "can't start new thread"


def kept_from_ctrl_c(system: str) -> dict[str, Any]:
    """What keeps a terminal's Ctrl-C from a process: the node hears it, and ends what it began.

    `system` as in sys.platform. Windows knows no sessions, and passes over that option.
    """
    if system == "win32":
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0x200)}
    return {"start_new_session": True}
