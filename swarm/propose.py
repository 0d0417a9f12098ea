"""This node's pool as a proposer: template, generation, and what the workers say, parsed."""

from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import ExitStack, aclosing, contextmanager

from swarm.chat.completion import CompletionParser, Piece
from swarm.engines.base import Accepted, Delta, Event, Failed, Finished, Recounted, Started
from swarm.errors import EngineError, Overloaded, UnknownModel
from swarm.pool import Pool, ReservedSequences, ServedModel
from swarm.proposer import Began, Ended, Lost, News, Offer, Said, Told
from swarm.types import Prompt, Question
from swarm.workers import temperatures

Watch = Callable[[AsyncGenerator[list[Event]]], AsyncGenerator[list[Event]]]
"""Counts and times a generation on its way."""


class OwnProposer:
    """The workers of this node; `votes_with`: with which models they answer now, None: all.

    It goes without a name: nobody has to tell the node from itself.
    """

    node = name = address = ""
    names: tuple[str, ...] = ()

    def __init__(
        self,
        pool: Pool,
        *,
        watch: Watch | None = None,
        votes_with: Callable[[str], bool] | None = None,
    ) -> None:
        self._pool = pool
        self._watch = watch
        self._votes_with = votes_with
        self._kept: dict[str, ReservedSequences] = {}

    def models(self) -> tuple[str, ...]:
        """The ids of the models of this node."""
        return tuple(model.id for model in self._pool.models)

    def offer(self, model: str) -> Offer | None:
        """What this node would do for a model id now; None before it is loaded."""
        try:
            return self._pool.offer(self._pool.resolve(model))
        except (UnknownModel, EngineError):
            return None

    def must_offer(self, model: str, elsewhere: Sequence[str]) -> Offer:
        """The same. Raises EngineError, or UnknownModel that also names the models `elsewhere`."""
        try:
            return self._pool.offer(self._pool.resolve(model))
        except UnknownModel as error:
            raise UnknownModel(model, tuple(dict.fromkeys((*error.known, *elsewhere)))) from None

    @contextmanager
    def keeping(self, workers: Sequence[tuple[str, int]]) -> Generator[None]:
        """Hold sequences of that many workers of each model until they are asked for, or for all
        the time if they are not: nobody else is offered them.
        """
        with ExitStack() as held:
            for name, count in workers:
                model = self._pool.resolve(name)
                self._kept[model.id] = held.enter_context(self._pool.keep(model, count))
            yield

    def kept(self, model: ServedModel) -> ReservedSequences:
        """The sequences that are held for a model and not taken yet."""
        return self._kept.get(model.id) or self._pool.keep(model, 0)

    def won(self) -> None:
        """Nobody asks how often this node wins its own votes."""

    async def propose(
        self,
        question: Question,
        workers: int,
        *,
        remaining_s: float,  # noqa: ARG002 - the asker closes this in time
        live: bool,
    ) -> AsyncGenerator[list[Told]]:
        """Let `workers` workers of this node answer; closing cancels them.

        Raises Overloaded where that is over since the asker heard of the model.
        """
        model = self._pool.resolve(question.model)
        if self._votes_with and not self._votes_with(model.id):
            raise Overloaded(f"this node does not vote with {question.model}", retry_after_s=5)
        if self._pool.status(model) == "unloaded":
            raise Overloaded(f"{model.id} is not loaded here any more", retry_after_s=5)
        with self.kept(model).part(workers) as reserved:
            asked = await self._pool.written(model, question)
            base = model.engine.info.temperature(question.sampling.temperature)
            heat = temperatures(base, workers)
            prompt = Prompt(asked.text, question.sampling, workers, heat, asked.grammar)
            readers = [Reader(asked.parser(checked=live)) for _ in range(workers)]
            events = self._pool.generate(model, prompt, reserved)
            async with aclosing(self._watch(events) if self._watch else events) as steps:
                async for step in steps:
                    yield [told for event in step for told in _told(event, readers)]


def _told(event: Event, readers: "list[Reader]") -> list[Told]:
    match event:
        case Accepted():
            return []
        case Started():
            return _began(event, readers)
        case Recounted():
            return _began(event.now, readers)
        case Delta() | Finished():
            return [(event.index, news) for news in readers[event.index].read(event)]
        case Failed():
            return [(event.index, Lost(str(event.error)))]


def _began(read: Started, readers: "list[Reader]") -> list[Told]:
    began = Began(read.prompt_tokens, read.cached_tokens)
    return [(at, began) for at in range(len(readers))]


class Reader:
    """Turns one worker's events into what it says."""

    def __init__(self, parser: CompletionParser) -> None:
        self._parser = parser

    def read(self, event: Delta | Finished) -> list[News]:
        """What the event tells."""
        if isinstance(event, Finished):
            pieces, finish = self._parser.finish(event.reason)
            return [self._said(pieces), Ended(finish, event.completion_tokens, self._parser.beside)]
        thinking = self._parser.in_reasoning or bool(event.reasoning)
        pieces = self._parser.feed(event.text, event.reasoning, event.calls)
        return [self._said(pieces, event, thinking=thinking)]

    def _said(
        self, pieces: list[Piece], delta: Delta | None = None, *, thinking: bool = False
    ) -> Said:
        tokens = delta.tokens if delta else 0
        return Said(
            tuple(pieces),
            tokens,
            reasoning_tokens=tokens if thinking else 0,
            calling=self._parser.calls_begun,
            logprobs=delta.logprobs if delta else (),
        )
