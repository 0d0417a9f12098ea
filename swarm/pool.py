"""This node's models by id, and the bound on how many requests they hold at once.

Knows no HTTP. The clock is an argument.
"""

import asyncio
import logging
import math
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Self

from swarm.chat.template import ChatTemplate
from swarm.chat.written import Written, written
from swarm.engines.base import Embedding, Engine, Event, ModelInfo
from swarm.engines.loading import Loading
from swarm.engines.prompts import check_request
from swarm.engines.resident import Resident, Status
from swarm.errors import EngineError, EngineNotReady, InvalidRequest, Overloaded, UnknownModel
from swarm.forms import Forms
from swarm.ids import ONE_WORKER_SUFFIX, SWARM_IDS, is_taken
from swarm.proposer import Offer
from swarm.types import Constraint, Prompt, Question
from swarm.workers import VoteWeights

logger = logging.getLogger(__name__)

_RECENT = 32
_USUAL_ANSWER = 256
"""Tokens of an answer whose length nobody knows yet."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that this node serves: its id for clients, and since when (Unix seconds).

    `tool_calls`: how it writes calls by its card, where its own template does not say.
    """

    id: str
    engine: Engine
    created: int
    tool_calls: str | None = None


class ReservedSequences:
    """Sequences of one model that a request holds: given back on leaving, as are its parts."""

    def __init__(self, held: Counter[str], model_id: str, count: int) -> None:
        self._held = held
        self._model_id = model_id
        self._count = count
        held[model_id] += count

    def part(self, count: int) -> "ReservedSequences":
        """This many of them on their own; where they are too few, more are held."""
        moved = min(count, self._count)
        self._give_back(moved)
        return ReservedSequences(self._held, self._model_id, count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back(self._count)

    def _give_back(self, count: int) -> None:
        self._held[self._model_id] -= count
        self._count -= count


class Pool:
    """The models of one node; the first is the default. At most `max_requests` at once.

    `loading` knows those that come and go; without it all are there.
    """

    def __init__(
        self,
        models: Sequence[ServedModel],
        *,
        max_requests: int = 256,
        usual_workers: int = 1,
        weights: VoteWeights | None = None,
        forms: Forms | None = None,
        loading: Loading | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.models = tuple(models)
        self.loading = loading or Loading()
        self._max_requests = max_requests
        self._usual_workers = usual_workers
        self.weights = weights or VoteWeights()
        self.forms = forms or Forms()
        self._clock = clock
        self._in_flight = 0
        self._sequences: Counter[str] = Counter()
        self._waiting_tokens: Counter[str] = Counter()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._ended: deque[float] = deque(maxlen=_RECENT)
        self._templates: dict[str, tuple[ModelInfo, ChatTemplate, ChatTemplate]] = {}

    @property
    def in_flight(self) -> int:
        """Requests that were admitted and have not ended."""
        return self._in_flight

    def ids(self) -> tuple[str, ...]:
        """Every id that clients are told of, the aliases of the default model first."""
        own = [name for model in self.models for name in (model.id, model.id + ONE_WORKER_SUFFIX)]
        return ("swarm", "swarm" + ONE_WORKER_SUFFIX, *own)

    def resolve(self, model_id: str) -> ServedModel:
        """The model behind an id. Raises UnknownModel."""
        if is_taken(model_id):
            return self.models[0]
        for model in self.models:
            if model_id in (model.id, model.id + ONE_WORKER_SUFFIX):
                return model
        raise UnknownModel(model_id, self.ids())

    @asynccontextmanager
    async def held(self, model_id: str) -> AsyncGenerator[ServedModel]:
        """The model behind an id, loaded and staying so: for `swarm` the default when it is.

        Raises UnknownModel; EngineNotReady and ModelLoadFailed as `Loading.held` does.
        """
        while True:
            model = self.resolve(model_id)
            await self.loading.turn(model.id)
            if self.resolve(model_id) is model:
                async with self.loading.held(model.id):
                    yield model
                return

    def add(self, resident: Resident, *, tool_calls: str | None = None) -> None:
        """One more model, to be loaded when somebody asks for it by its id."""
        self.loading.add(resident)
        served = ServedModel(resident.id, resident, int(time.time()), tool_calls)
        self.models = (*self.models, served)

    def lead_with(self, model_id: str) -> None:
        """Make this model the default. What runs ends on the model that it began with."""
        first = self.resolve(model_id)
        self.models = (first, *(model for model in self.models if model is not first))

    def status(self, model: ServedModel) -> Status:
        """Whether the model could generate now, is on its way there, or waits to be asked for."""
        resident = self.loading.resident(model.id)
        if resident is not None:
            return resident.status
        return "loaded" if _known_info(model) else "loading"

    def template(self, model: ServedModel) -> ChatTemplate:
        """The model's chat template, compiled once. Raises EngineNotReady before it is loaded."""
        return self._compiled(model)[0]

    def _compiled(self, model: ServedModel) -> tuple[ChatTemplate, ChatTemplate]:
        """Its template, and the one for constraints: the same, unless its engine has another."""
        info = model.engine.info
        known = self._templates.get(model.id)
        if known is None or known[0] != info:
            own = ChatTemplate(
                info.chat_template,
                bos_token=info.bos_token,
                eos_token=info.eos_token,
                tool_calls=model.tool_calls,
            )
            constrained = own if info.holds_grammars else ChatTemplate(info.constraint_template)
            self._templates[model.id] = known = (info, own, constrained)
            if not info.holds_grammars:
                logger.info("%s: calls and schemas are checked, not held to", model.id)
        return known[1:]

    async def written(self, model: ServedModel, question: Question) -> Written:
        """The question as this model reads it, in the form that fits it. Raises InvalidRequest."""
        own, constrained = self._compiled(model)
        holds = model.engine.info.holds_grammars
        fitted = await self.forms.fit(question, model.id, model.engine, own)
        template = own if question.constraint == Constraint() else constrained
        return await written(template, question, fitted, with_grammar=holds)

    def free_sequences(self, model: ServedModel) -> int:
        """Sequences that the model's engine could begin at once."""
        return max(0, model.engine.info.max_sequences - self._sequences[model.id])

    def keep(self, model: ServedModel, count: int) -> ReservedSequences:
        """Hold this many sequences from now on, for generations to come: they are not free."""
        return ReservedSequences(self._sequences, model.id, count)

    def weighed_beside(self, model_id: str) -> tuple[str, ...]:
        """In a vote of the whole swarm: the other models that the owner has weighed."""
        if model_id not in SWARM_IDS:
            return ()
        return tuple(m.id for m in self.models[1:] if m.id in self.weights.models)

    def offers(self) -> tuple[Offer, ...]:
        """What this node would do for each of its models that are loaded."""
        return tuple(self.offer(model) for model in self.models if _known_info(model))

    def offer(self, model: ServedModel) -> Offer:
        """What a question for this model meets here now. Raises EngineNotReady."""
        info = model.engine.info
        resident = self.loading.resident(model.id)
        plan = resident.plan if resident else None
        return Offer(
            model.id,
            usual=plan.workers if plan else self._usual_workers,
            free=self.free_sequences(model),
            most=info.max_sequences,
            waiting_tokens=self._waiting_tokens[model.id],
            context_tokens=info.context_tokens,
            default=model is self.models[0],
        )

    async def generate(
        self, model: ServedModel, prompt: Prompt, kept: ReservedSequences | None = None
    ) -> AsyncGenerator[list[Event]]:
        """The engine's events, or Overloaded at once. Close it to cancel the generation.

        Its sequences are a part of those that were `kept` for it.
        """
        check_request(prompt, model.engine.info)
        self._admit()
        work = _work_tokens(prompt)
        self._waiting_tokens[model.id] += work
        try:
            with (kept or self.keep(model, 0)).part(prompt.n):
                generation = model.engine.generate(prompt)
                async with aclosing(self.forms.timed(model.id, generation)) as events:
                    async for step in events:
                        yield step
        finally:
            self._waiting_tokens[model.id] -= work
            self._release()

    async def embed(
        self, model: ServedModel, texts: Sequence[str | tuple[int, ...]]
    ) -> AsyncGenerator[Embedding]:
        """The texts as vectors, one after the other. Raises InvalidRequest or Overloaded."""
        if not model.engine.info.embedding_width:
            raise InvalidRequest(f"{model.id} makes no embeddings", param="model")
        self._admit()
        try:
            for text in texts:
                yield await model.engine.embed(text)
        finally:
            self._release()

    @property
    def context_tokens(self) -> int:
        """The longest context of the models that are loaded; 0 before the first."""
        return max(
            (info.context_tokens for info in map(_known_info, self.models) if info), default=0
        )

    async def drain(self, grace_s: float) -> None:
        """Admit nothing more; wait up to `grace_s` seconds for what runs to end."""
        self._closing = True
        try:
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        except TimeoutError:
            return

    async def aclose(self) -> None:
        """End all engines; what still runs fails with EngineLost."""
        self._closing = True
        await self.loading.aclose()
        await asyncio.gather(*(model.engine.aclose() for model in self.models))

    def _admit(self) -> None:
        if self._closing:
            raise EngineNotReady("this node is shutting down", retry_after_s=5)
        if self._in_flight >= self._max_requests:
            message = f"{self._in_flight} requests are waiting or running here, which is the most"
            raise Overloaded(message, retry_after_s=self._retry_after_s())
        self._in_flight += 1
        self._idle.clear()

    def _release(self) -> None:
        self._in_flight -= 1
        self._ended.append(self._clock())
        if not self._in_flight:
            self._idle.set()

    def _retry_after_s(self) -> int:
        """Whole seconds in which about a tenth of the requests ends, at the recent pace."""
        if len(self._ended) < 2:
            return 5
        pace = (self._clock() - self._ended[0]) / len(self._ended)
        return min(60, max(1, math.ceil(pace * self._max_requests / 10)))


def _work_tokens(prompt: Prompt) -> int:
    """About how many tokens a prompt costs, read and answered: known before it is tokenised."""
    read = len(prompt.text) // 4 if isinstance(prompt.text, str) else len(prompt.text)
    return read + prompt.n * min(prompt.sampling.max_tokens or _USUAL_ANSWER, _USUAL_ANSWER)


def _known_info(model: ServedModel) -> ModelInfo | None:
    try:
        return model.engine.info
    except EngineError:
        return None
