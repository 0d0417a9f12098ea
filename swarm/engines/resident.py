"""A model of this node as an engine that comes and goes: planned, loaded, measured, unloaded.

When it does so is decided elsewhere (`swarm/engines/loading.py`). The clock is an argument.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from swarm.engines.base import Embedding, Engine, EngineLoad, Event, Finished, ModelInfo
from swarm.errors import EngineNotReady, SwarmError
from swarm.models.fit import Plan
from swarm.models.room import Taken
from swarm.types import Prompt, SamplingParams

logger = logging.getLogger(__name__)

Status: TypeAlias = Literal["loaded", "loading", "unloaded"]

WARM_UP = Prompt("1, 2, 3,", SamplingParams(temperature=0.0, max_tokens=24, ignore_eos=True))
"""What a model says to itself once it is loaded, so that its speed is known."""

WARM_UP_S = 2.0
"""The warm-up of a slow model ends after this long."""

LEAST_MEASURED_TOKENS = 8
"""An answer with fewer tokens says little of the speed."""


class Startable(Engine, Protocol):
    """An engine that was made and is loaded by `start`."""

    async def start(self) -> None:
        """Load the model. Raises ModelLoadFailed and leaves nothing behind then."""
        ...


@dataclass(frozen=True, slots=True)
class Planned:
    """An engine that is not yet started, and how its model will run; None: on another server."""

    engine: Startable
    plan: Plan | None


Make: TypeAlias = Callable[[Taken], Planned]
"""Plans and makes a model's engine beside what others take; may read files.

Raises ConfigurationError with the figures where it does not fit.
"""


class Resident:
    """An Engine that is there from `start` to `aclose`, as often as need be.

    `last_info` outlives it: what it told when it was there last, None before it ever was.
    """

    def __init__(
        self, model_id: str, make: Make, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.id = model_id
        self.make = make
        self._clock = clock
        self._engine: Startable | None = None
        self._loading = False
        self.plan: Plan | None = None
        self.last_info: ModelInfo | None = None
        self._generating = 0
        self._begun = 0
        self.users = 0
        self.released: Callable[[], None] = _nobody_waits
        self.used_s = clock()
        self.measured_tokens_per_s: float | None = None

    @property
    def status(self) -> Status:
        """Whether a generation asked for now would begin; `loading` too while it starts again."""
        if self._engine is None:
            return "loading" if self._loading else "unloaded"
        try:
            _ = self._engine.info
        except EngineNotReady:
            return "loading"
        return "loaded"

    @property
    def present(self) -> bool:
        """Whether it was loaded and not unloaded since: its engine may be starting again."""
        return self._engine is not None

    @property
    def info(self) -> ModelInfo:
        return self._present().info

    @property
    def engine(self) -> Startable | None:
        """The engine behind, while there is one."""
        return self._engine

    async def start(self, planned: Planned) -> None:
        """Load the model as planned. Raises ModelLoadFailed; it stays unloaded then."""
        self._loading = True
        try:
            await planned.engine.start()
            self._engine, self.plan = planned.engine, planned.plan
            self.last_info = planned.engine.info
        finally:
            self._loading = False
            self.used_s = self._clock()

    async def aclose(self) -> None:
        """Unload the model; what generates raises EngineLost."""
        engine, self._engine, self.plan = self._engine, None, None
        self.measured_tokens_per_s = None
        if engine is not None:
            await engine.aclose()

    @contextmanager
    def in_use(self) -> Generator[None]:
        """Counts one who needs the model: it is not unloaded meanwhile."""
        self.users += 1
        try:
            yield
        finally:
            self.users -= 1
            self.used_s = self._clock()
            self.released()

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        engine = self._present()
        self._generating += 1
        self._begun += 1
        alone, begun = self._generating == prompt.n == 1, self._begun
        try:
            with self.in_use():
                async with aclosing(engine.generate(prompt)) as events:
                    async for step in events:
                        if alone and begun == self._begun:
                            self._measure(step)
                        yield step
        finally:
            self._generating -= 1

    async def tokenize(self, text: str) -> list[int]:
        return await self._present().tokenize(text)

    async def embed(self, text: str | tuple[int, ...]) -> Embedding:
        engine = self._present()
        with self.in_use():
            return await engine.embed(text)

    async def load(self) -> EngineLoad:
        return await self._present().load()

    async def warm_up(self) -> None:
        """Let the model speak for a moment to measure it; not where somebody waits for it, nor
        on another server, whose speed is told to nobody.
        """
        engine = self._engine
        if self.users or engine is None or self.plan is None:
            return
        try:
            if not engine.info.generates:
                return
            async with asyncio.timeout(WARM_UP_S), aclosing(engine.generate(WARM_UP)) as events:
                async for step in events:
                    if self.users:
                        return
                    self._measure(step)
        except TimeoutError:
            return  # A slow one is measured by its first answers.
        except SwarmError as error:
            if engine is self._engine:
                logger.warning("%s could not be warmed up: %s", self.id, error)

    def _present(self) -> Startable:
        if self._engine is None:
            raise EngineNotReady(f"{self.id} is {'being' if self._loading else 'not'} loaded")
        return self._engine

    def _measure(self, step: list[Event]) -> None:
        """The first answer that was generated alone, and is not too short, tells the speed."""
        if self.measured_tokens_per_s is not None:
            return
        for event in step:
            if not isinstance(event, Finished) or event.decode_s <= 0:
                continue
            if event.completion_tokens >= LEAST_MEASURED_TOKENS:
                self.measured_tokens_per_s = (event.completion_tokens - 1) / event.decode_s
                self._tell()

    def _tell(self) -> None:
        if self.plan is None:
            return
        slow, fast = self.plan.tokens_per_s
        logger.info(
            "%s: %.0f tokens/s measured for one stream, %.0f to %.0f expected",
            self.id,
            self.measured_tokens_per_s,
            slow,
            fast,
        )


def _nobody_waits() -> None: ...
