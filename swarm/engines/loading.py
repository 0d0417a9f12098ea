"""Which of a node's models are loaded: on request, and no longer than memory and idleness allow.

One model is loaded at a time. None that somebody uses is ever unloaded.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ending import ended
from swarm.engines.resident import Planned, Resident
from swarm.errors import ConfigurationError, EngineNotReady, ModelLoadFailed, Overloaded
from swarm.models.room import Taken, together

logger = logging.getLogger(__name__)


class Loading:
    """Loads and unloads models; those that it does not know are always there.

    A model is idle when nobody has used it for `idle_unload_s` seconds; None: it never is.
    """

    def __init__(
        self,
        models: Sequence[Resident] = (),
        *,
        idle_unload_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = {model.id: model for model in models}
        self._idle_unload_s = idle_unload_s
        self._clock = clock
        self.begun = not models
        self._one_at_a_time = asyncio.Lock()
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self._room_found = asyncio.Event()
        self._room_found.set()
        for model in models:
            model.released = self._released.set

    def add(self, model: Resident) -> None:
        """One more model, to be loaded when somebody asks for it."""
        self._models[model.id] = model
        model.released = self._released.set

    def resident(self, model_id: str) -> Resident | None:
        """The model of an id, None if it is none that comes and goes."""
        return self._models.get(model_id)

    async def begin(self, ids: Sequence[str]) -> None:
        """Load the first models, in this order; from then on others are loaded on request."""
        for model_id in ids:
            if (model := self.resident(model_id)) is not None:
                await self._loaded(model)
        self.begun = True
        if self._idle_unload_s is not None and self._models:
            self._go_on(self._unload_idle_ones(self._idle_unload_s), "unload idle models")

    @asynccontextmanager
    async def held(self, model_id: str) -> AsyncGenerator[None]:
        """The model, loaded and staying so. Raises EngineNotReady before `begin` has ended.

        Raises ModelLoadFailed where it cannot be loaded.
        """
        model = self.resident(model_id)
        if model is None:
            yield
            return
        await self.turn(model_id)
        with model.in_use():
            await self._loaded(model)
            yield

    async def turn(self, model_id: str) -> None:
        """Wait until nobody who came earlier needs the model's room, or is loaded before it.

        Raises EngineNotReady before `begin` has ended.
        """
        model = self.resident(model_id)
        if model is not None and not self.begun:
            raise EngineNotReady("the first model is still being loaded")
        while model is not None:
            earlier = [load for name, load in self._loads.items() if name != model_id]
            if model.present and not self._room_found.is_set():
                await self._room_found.wait()
            elif model.status == "unloaded" and earlier:
                await asyncio.wait(earlier)
            else:
                return

    async def context_tokens(self, model_id: str) -> int | None:
        """The context with which a model is loaded, or would be; None where that is not known."""
        model = self.resident(model_id)
        if model is None:
            return None
        plan = model.plan
        if plan is None:
            try:
                plan = (await asyncio.to_thread(model.make, Taken())).plan
            except ConfigurationError as error:  # its load says so to who waits for it
                logger.debug("%s cannot be planned: %s", model_id, error)
        return plan.context_tokens if plan else None

    async def unload(self, model_id: str) -> None:
        """Free what the model takes. Raises Overloaded while somebody uses it.

        It goes on where whoever asked for it leaves.
        """
        model = self.resident(model_id)
        if model is None or model.status == "unloaded":
            return
        self._must_be_idle(model)
        await asyncio.shield(self._go_on(self._unload_on_request(model), f"unload {model_id}"))

    async def _unload_on_request(self, model: Resident) -> None:
        async with self._one_at_a_time:  # no copy is loaded beside one that still ends
            self._must_be_idle(model)
            if model.present:
                await self._unload(model, "as was asked")

    async def aclose(self) -> None:
        """Stop loading; the pool ends the engines."""
        await ended(*self._loads.values(), *self._tasks)

    def _must_be_idle(self, model: Resident) -> None:
        if model.users or (model.status == "loading" and not model.present):
            message = f"{model.id} is in use, and is unloaded only when it is not"
            raise Overloaded(message, retry_after_s=2)

    async def _loaded(self, model: Resident) -> None:
        """All who wait for a model wait for one load, which goes on when one of them leaves."""
        if model.present:
            return
        task = self._loads.get(model.id)
        if task is None:
            task = asyncio.create_task(self._load(model), name=f"load {model.id}")
            self._loads[model.id] = task
            task.add_done_callback(lambda done: self._ended(model, done))
        await asyncio.shield(task)

    def _ended(self, model: Resident, task: asyncio.Task[None]) -> None:
        del self._loads[model.id]
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            if self.begun:  # an error of the first load ends the node, which says it then
                logger.error("%s is not loaded: %s", model.id, error)
        elif not model.users:
            self._go_on(model.warm_up(), f"warm up {model.id}")

    async def _load(self, model: Resident) -> None:
        async with self._one_at_a_time:
            try:
                planned = await self._fitted(model)
            except ConfigurationError as error:
                raise ModelLoadFailed(str(error)) from error
            finally:
                self._room_found.set()
            await model.start(planned)

    async def _fitted(self, model: Resident) -> Planned:
        """The model beside the loaded ones, as good as alone: idle ones go until it is.

        Raises ConfigurationError where it would not even fit alone.
        """
        alone = await asyncio.to_thread(model.make, Taken())
        if alone.plan is None:
            return alone
        while others := [each for each in self._models.values() if each.plan is not None]:
            taken = together(each.plan.taken for each in others if each.plan)
            try:
                planned = await asyncio.to_thread(model.make, taken)
            except ConfigurationError as error:
                logger.debug("%s does not fit beside others: %s", model.id, error)
            else:
                if planned.plan and planned.plan.as_good_as(alone.plan):
                    return planned
            await self._make_room(others, model.id)
        return alone

    async def _make_room(self, loaded: Sequence[Resident], wanted: str) -> None:
        """Unload the model that was not used for longest, or wait until one is released.

        Meanwhile nobody else gets a model that is loaded: they would never be idle.
        """
        idle = [model for model in loaded if not model.users]
        if idle:
            oldest = min(idle, key=lambda model: model.used_s)
            await self._unload(oldest, f"for {wanted}, which needs its memory")
            return
        self._room_found.clear()
        self._released.clear()
        await self._released.wait()

    async def _unload(self, model: Resident, why: str) -> None:
        logger.info("unloading %s: %s", model.id, why)
        await model.aclose()

    async def _unload_idle_ones(self, idle_s: float) -> None:
        while True:
            await asyncio.sleep(self._next_look_s(idle_s))
            async with self._one_at_a_time:
                while model := self._idle_for(idle_s):  # meanwhile others may be used again
                    await self._unload(model, f"nobody has used it for {idle_s:.0f} s")

    def _next_look_s(self, idle_s: float) -> float:
        """Seconds until the first of the loaded models can have been idle for that long."""
        now = self._clock()
        idle = [m for m in self._models.values() if m.plan is not None and not m.users]
        left = [model.used_s + idle_s - now for model in idle]
        return max(0.01, min(left, default=idle_s))

    def _idle_for(self, idle_s: float) -> Resident | None:
        """One of those that nobody has used for that long."""
        past = self._clock() - idle_s
        idle = (m for m in self._models.values() if m.plan is not None and not m.users)
        return next((model for model in idle if model.used_s <= past), None)

    def _go_on(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
