"""Runs one process to its end: bounded in time and output, killed with all that came of it."""

import asyncio
import codecs
import contextlib
import os
import signal
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ending import whole
from tools.bounds import Launch

Ending: TypeAlias = Literal["exited", "timed out", "too much output"]

MOST_BYTES = 8 << 20
"""A command that says more than this is ended."""

_CHUNK = 1 << 16
_GRACE_S = 1.0
_LAST_WORDS_S = 0.2
"""How long what a process said just before it ended is waited for: others that it started may hold
the pipe."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended. `status` is 128 + the signal's number where one killed it."""

    ending: Ending
    status: int
    output: str


async def run_to_end(
    launch: Launch,
    *,
    timeout_s: float,
    emit: Callable[[str], None],
    most_bytes: int = MOST_BYTES,
) -> Ended:
    """Standard output and error as they come, together, until the process ends, whatever it left
    in the background. Cancelling it kills the process.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    said: list[str] = []
    count = 0
    ending: Ending = "exited"
    async with _started(launch) as (process, reader):
        try:
            async with asyncio.timeout(timeout_s):
                while chunk := await reader.read(_CHUNK):
                    count += len(chunk)
                    text = decoder.decode(chunk)
                    said.append(text)
                    emit(text)
                    if count > most_bytes:
                        ending = "too much output"
                        break
                else:
                    await process.wait()
        except TimeoutError:
            ending = "timed out"
    status = process.returncode if process.returncode is not None else -signal.SIGKILL
    text = "".join(said) + decoder.decode(b"", final=True)
    return Ended(ending, status if status >= 0 else 128 - status, text)


@contextlib.asynccontextmanager
async def _started(
    launch: Launch,
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, asyncio.StreamReader]]:
    """The process, and what it says. Nothing of it is left afterwards."""
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader()
    try:
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
        )
        starting = asyncio.ensure_future(_start(launch, theirs))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            pipe.close()
            await whole(_end_started(starting))
            raise
    finally:
        os.close(theirs)
    closing = asyncio.create_task(_close_after(process, pipe))
    try:
        yield process, reader
    finally:
        closing.cancel()
        pipe.close()
        await whole(_end(process))
        await asyncio.wait({closing})


async def _close_after(process: asyncio.subprocess.Process, pipe: asyncio.ReadTransport) -> None:
    """Reading comes to its end, also where a process in the background holds the pipe."""
    await process.wait()
    await asyncio.sleep(_LAST_WORDS_S)
    pipe.close()


async def _start(launch: Launch, output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *launch.argv,
        env=launch.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        cwd="/",
    )


async def _end_started(starting: asyncio.Future[asyncio.subprocess.Process]) -> None:
    await _end(await starting)


async def _end(process: asyncio.subprocess.Process) -> None:
    """First the process itself, which may have others to kill; then its whole group."""
    try:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GRACE_S):
                    await process.wait()
    finally:  # also where the loop ends before the grace has
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
