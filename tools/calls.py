"""Calls that run on the tool server, by id, so that they can be followed and cancelled."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.errors import InvalidArguments, ToolFailed
from tools.executor import Executor
from tools.tool import Output


@dataclass(frozen=True, slots=True)
class Running:
    """One call: its task, and its output as it comes, None at the end."""

    id: str
    task: asyncio.Task[Output]
    lines: asyncio.Queue[str | None]

    async def said(self) -> AsyncGenerator[str]:
        while (text := await self.lines.get()) is not None:
            yield text

    async def output(self) -> Output:
        """Raises ToolError, also where somebody cancelled it."""
        await asyncio.wait({self.task})
        if self.task.cancelled():
            raise ToolFailed("the call was cancelled")
        return self.task.result()


class Calls:
    """The calls that run now."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._running: dict[str, Running] = {}

    def start(
        self, id: str | None, name: str, arguments: Mapping[str, Any], *, session: str
    ) -> Running:
        """Raises InvalidArguments for an id that is in use."""
        chosen = id or f"call_{secrets.token_hex(8)}"
        if chosen in self._running:
            raise InvalidArguments(f"a call with the id {chosen!r} runs already")
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        work = self._executor.execute(name, arguments, session=session, emit=lines.put_nowait)
        task = asyncio.create_task(work)
        running = Running(chosen, task, lines)
        self._running[chosen] = running
        task.add_done_callback(lambda _: self._ended(running))
        return running

    async def cancel(self, id: str) -> bool:
        """Whether there was such a call. It has ended when this returns."""
        running = self._running.get(id)
        if running is None:
            return False
        running.task.cancel()
        await asyncio.wait({running.task})
        return True

    async def end(self, running: Running) -> None:
        """Cancel the call where it still runs."""
        running.task.cancel()
        await asyncio.wait({running.task})

    def _ended(self, running: Running) -> None:
        """Forget the call, even where whoever followed it was cancelled meanwhile."""
        running.lines.put_nowait(None)
        del self._running[running.id]
        if not running.task.cancelled():
            running.task.exception()  # it was told, or nobody is there to be told
