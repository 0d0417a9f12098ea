"""The tools of this machine by name: checks arguments, bounds calls, remembers conversations."""

import asyncio
import contextlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mistakes import mistakes
from tools.bash import BASH
from tools.bounds import Sandbox
from tools.edit import EDIT
from tools.errors import InvalidArguments, TooBusy, ToolFailed, UnknownTool
from tools.executor import Emit, ToolDescription, silent
from tools.fetcher import Fetcher
from tools.glob import GLOB
from tools.grep import GREP
from tools.kept import KeptOutputs
from tools.list import LIST
from tools.question import QUESTION
from tools.read import READ
from tools.skill import SKILL, told_of
from tools.threads import Threads
from tools.todo import TODOREAD, TODOWRITE
from tools.tool import CallContext, Output, Session, Times, Tool
from tools.webfetch import WEBFETCH
from tools.workspace import Workspace
from tools.write import WRITE

logger = logging.getLogger(__name__)

TOOLS: tuple[Tool[Any], ...] = (
    *(READ, WRITE, EDIT, LIST, GLOB, GREP, BASH, WEBFETCH),
    *(TODOWRITE, TODOREAD, QUESTION, SKILL),
)

MOST_CALLS = 8
"""At most this many calls run at once, with those whose callers left before their threads had
ended."""

_ENDING = "this machine's tools are being ended"
"""What who calls is told, also where the call had begun: nobody cancelled it."""

_SESSIONS = 64
_MOST_MISTAKES = 5

Ask = Callable[[str], Awaitable[str | None]]


class Registry:
    """The tools on this machine."""

    def __init__(
        self,
        workspace: Workspace,
        kept: KeptOutputs,
        threads: Threads,
        *,
        sandbox: Sandbox | None = None,
        fetcher: Fetcher | None = None,
        times: Times = Times(),  # noqa: B008  it is frozen
        output_chars: int = 3000,
    ) -> None:
        self._tools = {tool.name: tool for tool in TOOLS}
        self._workspace = workspace
        self._kept = kept
        self._threads = threads
        self._sandbox = sandbox
        self._fetcher = fetcher
        self._times = times
        self._output_chars = output_chars
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._running: dict[asyncio.Timeout, asyncio.Event] = {}  # set when the call has ended
        self._closed = False

    @property
    def root(self) -> Path:
        """The folder that the tools work in."""
        return self._workspace.root

    async def descriptions(self) -> Sequence[ToolDescription]:
        """The tools; that of skills with the names of those that the workspace has just now."""
        more = {SKILL.name: _sayable(await asyncio.to_thread(told_of, self._workspace))}
        return [
            ToolDescription(each.name, each.description + more.get(each.name, ""), each.schema())
            for each in self._tools.values()
        ]

    async def execute(
        self,
        name: str,
        arguments: Mapping[str, Any],
        *,
        session: str = "",
        emit: Emit = silent,
        ask: Ask | None = None,
    ) -> Output:
        """Raises ToolError, also for a name or arguments that are none, and where this registry
        ends meanwhile.
        """
        tool = self._tools.get(name)
        if tool is None:
            raise UnknownTool(name, tuple(self._tools))
        try:
            json.dumps(arguments, ensure_ascii=False).encode()
            checked = tool.arguments.model_validate(arguments)
        except UnicodeEncodeError:
            half = "half of a character (a lone surrogate) stands in the arguments"
            raise InvalidArguments(f"{name}: {half}") from None
        except ValidationError as error:
            told = "; ".join(mistakes(error, "the arguments")[:_MOST_MISTAKES])
            raise InvalidArguments(f"{name}: {told}") from None
        async with self._counted():
            began = time.monotonic()
            try:
                output = await tool.run(checked, self._context(session, emit, ask))
                return replace(output, text=_sayable(output.text))
            finally:
                logger.info("tool %s ran here for %.2f s", name, time.monotonic() - began)

    async def aclose(self) -> None:
        """End the calls that run, with all that they started; none begins any more."""
        if not self._closed:
            self._closed = True
            for running in self._running:
                running.reschedule(0)
        await asyncio.gather(*(ended.wait() for ended in self._running.values()))

    @contextlib.asynccontextmanager
    async def _counted(self) -> AsyncGenerator[None]:
        """A place for the call in the block, which `aclose` can end."""
        if self._closed:
            raise ToolFailed(_ENDING)
        if len(self._running) + self._threads.left >= MOST_CALLS:
            raise TooBusy(f"{MOST_CALLS} tools run already; call again when one has ended")
        running, ended = asyncio.timeout(None), asyncio.Event()
        try:
            async with running:
                self._running[running] = ended
                yield
        except TimeoutError:
            if not running.expired():
                raise
            raise ToolFailed(_ENDING) from None
        finally:
            del self._running[running]
            ended.set()

    def _context(self, session: str, emit: Emit, ask: Ask | None) -> CallContext:
        remembered = self._sessions.setdefault(session, Session())
        self._sessions.move_to_end(session)
        while len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        return CallContext(
            self._workspace,
            self._kept,
            self._threads,
            remembered,
            emit,
            sandbox=self._sandbox,
            fetcher=self._fetcher,
            ask=ask,
            times=self._times,
            output_chars=self._output_chars,
        )


def _sayable(text: str) -> str:
    """Names of files are bytes; what of them isn't UTF-8 cannot stand in JSON."""
    return text.encode(errors="replace").decode()
