"""An engine in a supervised process of its own: a crash there never takes the node down.

Whatever ran when the process died raises EngineLost; the process is started again at once, and
after repeated failures ever later, up to RESTART_LIMIT_S. One that hangs is killed.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Self, TypeAlias

from ending import beside, ended, killed, tell_failure
from swarm.apart import begun
from swarm.engines.base import Embedding, EngineLoad, Event, Failed, Finished, ModelInfo
from swarm.engines.messages import (
    LENGTH,
    AskLoad,
    Cancel,
    Command,
    Embed,
    Ready,
    Refused,
    Reply,
    Report,
    Start,
    Stepped,
    Submit,
    Tokenize,
    decode_body,
    encode_frame,
)
from swarm.errors import EngineLost, EngineNotReady, ModelLoadFailed, SwarmError
from swarm.types import Prompt

logger = logging.getLogger(__name__)

RESTART_FIRST_S = 0.1
RESTART_LIMIT_S = 4.0
STEADY_S = 30.0
"""A process that lived this long starts the restart delays from the beginning again."""

PATIENCE_S = 120.0
"""A process that answers nothing for this long hangs: no step takes near as long, except an
embedding."""

EMBEDDING_S = 900.0
"""How long a process may answer nothing while it owes an embedding: a text is computed in one step,
however long it is, which takes minutes on a slow processor."""

STOP_S = 5.0
"""How long a process may take to end by itself before it is killed."""

_Item: TypeAlias = list[Event] | SwarmError


class EngineProcess:
    """An Engine whose model lives in a child process.

    `factory` names, as "module:function", what makes the Stepper of `options` in the child;
    `environment` is the child's whole environment; after `patience_s` seconds without an answer
    it is killed, while it owes an embedding after `embedding_s`, and `stop_s` after it was asked
    to end. Use as an async context manager, or call `start` and `aclose`.
    """

    def __init__(
        self,
        *,
        factory: str,
        options: Any,
        name: str,
        environment: Mapping[str, str],
        patience_s: float = PATIENCE_S,
        embedding_s: float = EMBEDDING_S,
        stop_s: float = STOP_S,
    ) -> None:
        self._start = Start(factory, options, logger.getEffectiveLevel())
        self._patience_s = patience_s
        self._embedding_s = embedding_s
        self._stop_s = stop_s
        self._name = name
        self._environment = dict(environment)
        self._ids = itertools.count(1)
        self._streams: dict[int, asyncio.Queue[_Item]] = {}
        self._replies: dict[int, asyncio.Future[Any]] = {}
        self._embeddings: set[int] = set()  # owed, also where nobody waits any more
        self._heard = 0.0
        self._process: asyncio.subprocess.Process | None = None
        self._info: ModelInfo | None = None
        self._trouble = ""  # why there is no process, or none that is ready
        self._supervisor: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def info(self) -> ModelInfo:
        if self._info is None:
            raise self._not_ready()
        return self._info

    @property
    def ready(self) -> bool:
        """Whether a generation asked for now would begin."""
        return self._info is not None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Load the model. Raises ModelLoadFailed, and leaves no process behind then."""
        try:
            await self._launch()
        finally:
            if not self.ready:
                await self._end_process()
        self._supervisor = asyncio.create_task(
            self._supervise(), name=f"the supervisor of {self._name}"
        )
        self._supervisor.add_done_callback(self._unsupervised)

    async def aclose(self) -> None:
        """End the process. Whoever does not wait until it has ended has it killed."""
        supervisor, self._supervisor = self._supervisor, None
        try:
            if supervisor:
                await ended(supervisor)
        finally:
            try:
                await self._end_process()
            finally:
                self._fail_all("the engine was stopped")

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        request_id = next(self._ids)
        self._send(Submit(request_id, prompt))
        stream = self._streams[request_id] = asyncio.Queue[_Item]()
        open_sequences = prompt.n
        try:
            while open_sequences:
                item = await stream.get()
                if isinstance(item, SwarmError):
                    open_sequences = 0
                    raise item
                open_sequences -= sum(isinstance(event, Finished | Failed) for event in item)
                yield item
        finally:
            del self._streams[request_id]
            if open_sequences and self.ready:
                self._send(Cancel(request_id))

    async def tokenize(self, text: str) -> list[int]:
        return await self._ask(Tokenize(next(self._ids), text))

    async def embed(self, text: str | tuple[int, ...]) -> Embedding:
        return await self._ask(Embed(next(self._ids), text))

    async def load(self) -> EngineLoad:
        return await self._ask(AskLoad(next(self._ids)))

    async def _ask(self, question: Tokenize | Embed | AskLoad) -> Any:
        self._send(question)
        if isinstance(question, Embed):
            self._embeddings.add(question.id)
        answer = self._replies[question.id] = asyncio.get_running_loop().create_future()
        try:
            return await answer
        finally:
            del self._replies[question.id]
            if question.id in self._embeddings and self.ready:  # whoever asked has left
                self._send(Cancel(question.id))

    def _send(self, command: Command) -> None:
        if not self.ready or self._process is None or self._process.stdin is None:
            raise self._not_ready()
        self._process.stdin.write(encode_frame(command))

    def _not_ready(self) -> EngineNotReady:
        if self._supervisor is not None and self._supervisor.done():
            told = f"the engine of {self._name} is not started again: {self._trouble}"
            return EngineNotReady(f"{told}; start this node anew")
        told = f"the engine of {self._name} is being started"
        return EngineNotReady(f"{told} again: {self._trouble}" if self._trouble else told)

    async def _launch(self) -> None:
        began = time.monotonic()
        try:
            self._process = await begun("swarm.engines.child", self._environment)
        except OSError as error:
            raise ModelLoadFailed(
                f"the engine process of {self._name} cannot be begun: {error.strerror}"
            ) from error
        if self._process.stdin is None:
            raise ModelLoadFailed("the engine process has no pipe")
        self._process.stdin.write(encode_frame(self._start))
        report = await self._receive()
        match report:
            case Ready(info):
                self._info = info
                logger.info(
                    "loaded %s (%s) in %.1f s",
                    self._name,
                    info.description,
                    time.monotonic() - began,
                )
            case Refused(error=error):
                raise error
            case _:
                raise ModelLoadFailed(
                    f"the engine process {await self._cause()} while it loaded {self._name}"
                )

    async def _supervise(self) -> None:
        delay = RESTART_FIRST_S
        while True:
            began = time.monotonic()
            async with beside(self._watch(), f"the watch over {self._name}"):
                await self._dispatch()
            self._info = None
            cause = await self._cause()
            self._trouble = f"the engine process {cause}"
            self._fail_all(self._trouble)
            if time.monotonic() - began > STEADY_S:
                delay = RESTART_FIRST_S
            logger.error("the engine process of %s %s; it is started again", self._name, cause)
            delay = await self._relaunch(delay)

    def _unsupervised(self, supervisor: asyncio.Task[None]) -> None:
        """Nobody waits for an engine whose supervisor has failed, which is a mistake of ours."""
        tell_failure(supervisor)
        if not supervisor.cancelled():
            self._info = None
            self._trouble = "its supervisor has failed"
            self._fail_all(self._trouble)

    async def _watch(self) -> None:
        """Ask now and then; kill a process that does not answer, so that another takes over."""
        while True:
            await asyncio.sleep(self._patience_s / 4)
            try:
                hangs = await self._hangs()
            except SwarmError:
                return  # It has ended, which `_dispatch` sees as well.
            if hangs:
                logger.warning("the engine process of %s hangs; it is killed", self._name)
                if self._process:
                    self._process.kill()
                return

    async def _hangs(self) -> bool:
        """Ask until there is an answer, or until nothing was said for too long."""
        asked = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._patience_s / 4):
                    await self.load()
                return False
            except TimeoutError:
                silent_s = time.monotonic() - max(asked, self._heard)
                if silent_s >= (self._embedding_s if self._embeddings else self._patience_s):
                    return True

    async def _relaunch(self, delay: float) -> float:
        """Start the process until it is ready; the delay that a next failure begins with.

        What keeps it from starting is logged once, however often it is tried.
        """
        while True:
            await asyncio.sleep(delay)
            delay = min(2 * delay, RESTART_LIMIT_S)
            try:
                await self._launch()
            except SwarmError as error:
                if str(error) != self._trouble:
                    logger.warning("the engine of %s did not start: %s", self._name, error)
                self._trouble = str(error)
                await self._end_process()
            else:
                return delay

    async def _dispatch(self) -> None:
        """Hand every report to whom it concerns, until the process ends."""
        while (report := await self._receive()) is not None:
            self._heard = time.monotonic()
            if isinstance(report, Reply | Refused) and report.id is not None:
                self._embeddings.discard(report.id)
            match report:
                case Stepped(events):
                    for request_id, happened in events:
                        self._deliver(request_id, happened)
                case Refused(id=int(request_id), error=error):
                    self._refuse(request_id, error)
                case Reply(request_id, value):
                    if (future := self._replies.get(request_id)) and not future.done():
                        future.set_result(value)
                case _:
                    logger.error("the engine process sent %s out of turn", type(report).__name__)

    def _deliver(self, request_id: int, item: _Item) -> None:
        stream = self._streams.get(request_id)
        if stream is not None:
            stream.put_nowait(item)

    def _refuse(self, request_id: int, error: SwarmError) -> None:
        future = self._replies.get(request_id)
        if future is None:
            self._deliver(request_id, error)
        elif not future.done():
            future.set_exception(error)

    async def _receive(self) -> Report | None:
        """The next frame, or None at the end of the pipe."""
        if self._process is None or self._process.stdout is None:
            return None
        try:
            head = await self._process.stdout.readexactly(LENGTH.size)
            body = await self._process.stdout.readexactly(*LENGTH.unpack(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return decode_body(body)

    async def _cause(self) -> str:
        """Why the process ended, in words that follow `the engine process`."""
        if self._process is None:
            return "is not running"
        status = await self._process.wait()
        return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"

    def _fail_all(self, reason: str) -> None:
        self._embeddings.clear()
        for stream in self._streams.values():
            stream.put_nowait(EngineLost(reason))
        for future in self._replies.values():
            if not future.done():
                future.set_exception(EngineLost(reason))

    async def _end_process(self) -> None:
        """Close the pipe, which ends the child; kill it if that does not, or if it still loads."""
        process, ready = self._process, self.ready
        self._process = self._info = None
        if process is None:
            return
        if not ready:  # deep in a library, perhaps for minutes, and nothing is left to save
            await killed(process)
            return
        if process.stdin:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.communicate(), self._stop_s)
        except TimeoutError:
            logger.warning("the engine process of %s does not end; it is killed", self._name)
        finally:  # also where this wait was cancelled: nobody else knows the process any more
            await killed(process)
