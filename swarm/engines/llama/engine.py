"""The llama.cpp engine: every request's sequences advance together, one batch a step.

The nouns and the shape of `step` follow nano-vllm's engine and llama.cpp's parallel example.
"""

import logging
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from swarm.engines.base import (
    Accepted,
    Embedding,
    EngineLoad,
    Event,
    ModelInfo,
)
from swarm.engines.beginning import Beginning, beginnings
from swarm.engines.llama.bindings import Model, start_backend
from swarm.engines.llama.cache import Cache
from swarm.engines.llama.context import Context, Interrupted, NoRoom
from swarm.engines.llama.describe import describe
from swarm.engines.llama.devices import layers_by_device
from swarm.engines.llama.embedding import Embedder
from swarm.engines.llama.options import LlamaOptions
from swarm.engines.llama.sampler import OutOfGrammar, Sampler
from swarm.engines.llama.schedule import Shares, prompt_shares, stream_shares
from swarm.engines.llama.sequence import Request, Sequence
from swarm.engines.pace import Pace
from swarm.engines.prompts import checked_tokens, most_counted
from swarm.engines.telling import Telling, collect
from swarm.engines.tokens import token_array
from swarm.errors import GenerationFailed, InvalidRequest, ModelLoadFailed
from swarm.models.memory import IDLE_STATES
from swarm.types import FinishReason, Prompt

logger = logging.getLogger(__name__)

IDLE_SLOTS = 64
"""Slots beyond the running sequences' that may keep ended conversations; of recurrent memories,
which reserve a whole state for each, there are IDLE_STATES."""


def load(options: LlamaOptions) -> "LlamaEngine":
    """Load a model and decode one token with it, so that a broken build fails here and now.

    Raises ModelLoadFailed.
    """
    start_backend()
    split = layers_by_device(options.split)
    model = Model(options.path, gpu_layers=options.gpu_layers, split=split)
    engine = LlamaEngine(model, options)
    engine.warm_up()
    return engine


class LlamaEngine:
    """A Stepper on llama.cpp. One thread drives it."""

    def __init__(self, model: Model, options: LlamaOptions) -> None:
        self._options = options
        self._model = model
        self._info = describe(model, options)
        slots = options.sequences + (IDLE_SLOTS if self._info.prefix_cuttable else IDLE_STATES)
        self._context = Context(model, options, cells=options.cells, slots=slots)
        self._info = replace(self._info, generates=self._context.generates)
        self._embedder: Embedder | None = None
        self._cache = Cache(self._context, slots, cuttable=self._info.prefix_cuttable)
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []
        self._requests: dict[int, Request] = {}
        self._pace = Pace(most_tokens=options.chunk_tokens, pause_s=options.pause_s)
        self._mostly_read: int | None = None

    @property
    def info(self) -> ModelInfo:
        return self._info

    def close(self) -> None:
        for request_id in list(self._requests):
            self.cancel(request_id)
        if self._embedder:
            self._embedder.close()
        self._context.close()
        self._model.close()

    def warm_up(self) -> None:
        """Decode a token and leave no trace. Raises ModelLoadFailed."""
        slot = self._cache.reserve()
        if slot is None:
            raise ModelLoadFailed("a context without a single slot")
        self._context.batch.clear()
        self._context.batch.add([0], slot=slot.id, start=0, want_logits=True)
        try:
            self._context.decode()
        except (NoRoom, GenerationFailed) as error:
            raise ModelLoadFailed(f"the model loads but cannot decode: {error}") from error
        self._cache.drop(slot)

    def tokenize(self, text: str) -> list[int]:
        most = most_counted(self._info.context_tokens)
        return self._model.vocabulary.tokenize(text, most=most)

    def embed(self, text: str | tuple[int, ...]) -> Embedding:
        if not self._info.embedding_width:
            raise InvalidRequest(f"{self._info.name} makes no embeddings", param="model")
        if self._embedder is None:
            trained = self._info.trained_context_tokens
            self._embedder = Embedder(self._model, self._options, trained_tokens=trained)
        return self._embedder.embed(text)

    def submit(self, request_id: int, prompt: Prompt) -> Accepted:
        tokens = token_array(checked_tokens(prompt, self._info, self.tokenize))
        request = Request(request_id, tokens, Telling(len(tokens)))
        words = self._model.vocabulary
        begin = beginnings(
            prompt, self._info, request.telling, pieces=words, grammars=lambda: words.grammars
        )
        request.sequences = [self._sequence(request, each) for each in begin]
        self._requests[request_id] = request
        self._waiting.extend(request.sequences)
        return Accepted(len(tokens))

    def cancel(self, request_id: int) -> None:
        request = self._requests.pop(request_id, None)
        for sequence in list(request.sequences) if request else []:
            self._retire(sequence)

    def interrupt(self, request_id: int) -> None:
        if self._mostly_read == request_id:
            self._context.interrupt()

    def step(self) -> list[tuple[int, list[Event]]]:
        """A token for every stream, then a chunk of prompts, in two batches.

        In one batch attention would look at the cells of all streams for each token of a prompt.
        """
        self._admit()
        for row, sequence in self._decode(stream_shares):
            self._advance(sequence, row)
        for row, sequence in self._read_prompts():
            self._advance(sequence, row)
        return collect(self._requests)

    def load(self) -> EngineLoad:
        waiting = {id(s.request) for s in self._waiting if not s.request.telling.started}
        return EngineLoad(
            running=len(self._requests) - len(waiting),
            waiting=len(waiting),
            sequences=len(self._running),
            cells_used=min(self._cache.cells(), self._context.cells),
            cells_total=self._context.cells,
        )

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    def _sequence(self, request: Request, begin: Beginning) -> Sequence:
        prompt = request.prompt_tokens
        sampler = Sampler(
            self._model.vocabulary,
            begin.params,
            prompt=prompt,
            index=begin.indices[0],
            bound=begin.bound,
        )
        return Sequence(request, array("i", prompt), sampler, begin.speech, begin.limit)

    def _admit(self) -> None:
        """Give waiting sequences a slot, oldest first, as far as slots and cells allow.

        One whose prompt begins like one that is being read waits for that part instead of
        computing it a second time; others may pass it.
        """
        held: list[Sequence] = []
        while self._waiting and len(self._running) < self._options.sequences:
            sequence = self._waiting.popleft()
            if (
                not self._has_place(sequence)
                or self._has_reading_sibling(sequence)
                or self._cache.worth_waiting_for(sequence)
            ):
                held.append(sequence)
                continue
            if not self._cache.place(sequence, used_cells=self._used_cells()):
                held.append(sequence)
                break
            self._running.append(sequence)
            if sequence.slot is not None:
                sequence.request.telling.reading(sequence.slot.computed)
        self._waiting.extendleft(reversed(held))

    def _has_place(self, sequence: Sequence) -> bool:
        """A quarter of the places is for first sequences: many siblings keep nobody else out."""
        first = not sequence.request.telling.started
        kept = 0 if first else self._options.sequences // 4
        return len(self._running) < self._options.sequences - kept

    def _has_reading_sibling(self, sequence: Sequence) -> bool:
        """Whether another sequence reads the same prompt, whose logits will serve this one."""
        request = sequence.request
        return not request.telling.started and any(s.slot for s in request.sequences)

    def _used_cells(self) -> int:
        """Cells that the running sequences hold or will soon, what they share counted once."""
        return sum(len(sequence.tokens) - sequence.shared for sequence in self._running)

    def _read_prompts(self) -> list[tuple[int, Sequence]]:
        """Compute a chunk of prompts; nothing has happened where it is interrupted."""
        chunk = self._pace.chunk_tokens()
        began = time.monotonic()
        try:
            rows = self._decode(
                lambda running: prompt_shares(running, chunk),
                # What cannot be cut cannot be put back to where it was either.
                interruptible=self._info.prefix_cuttable,
            )
        except Interrupted:
            return []
        finally:
            self._mostly_read = None
        self._pace.note(self._context.batch.size, time.monotonic() - began)
        return rows

    def _decode(
        self, plan: Callable[[list[Sequence]], Shares], *, interruptible: bool = False
    ) -> list[tuple[int, Sequence]]:
        """Compute one batch; the logits rows of the sequences whose last token was in it."""
        while True:
            batch = self._context.batch
            batch.clear()
            rows: list[tuple[int, Sequence]] = []
            shares = plan(self._running)
            size = sum(count for _, count in shares)
            for sequence, count in shares:
                rows += self._fill(sequence, count)
                if interruptible and 2 * count > size:
                    self._mostly_read = sequence.request.id
            if not shares:
                return []
            try:
                self._context.decode(interruptible=interruptible)
            except NoRoom:
                self._make_room()
                continue
            for sequence, count in shares:
                if sequence.slot:
                    sequence.slot.computed += count
            return rows

    def _fill(self, sequence: Sequence, count: int) -> list[tuple[int, Sequence]]:
        slot = sequence.slot
        if slot is None:
            return []
        last = count == sequence.pending
        tokens = sequence.tokens[slot.computed : slot.computed + count]
        row = self._context.batch.add(tokens, slot=slot.id, start=slot.computed, want_logits=last)
        return [(row, sequence)] if last else []

    def _make_room(self) -> None:
        """Free cells: the oldest idle slot, else the youngest sequence, which waits again.

        A sequence that is alone always fits, for the cache has at least one whole context.
        """
        if self._cache.evict():
            return
        if len(self._running) < 2:
            raise GenerationFailed("one sequence alone does not fit the cache")
        youngest = self._running.pop()
        self._cache.lose(youngest)
        self._waiting.appendleft(youngest)

    def _advance(self, sequence: Sequence, row: int) -> None:
        """Sample from a row; the first row of a request serves all its waiting sequences."""
        request = sequence.request
        if request.telling.start():
            self._cache.keep(sequence)
            for sibling in [s for s in self._waiting if s.request is request]:
                if self._has_place(sibling) and self._cache.fork(sequence, sibling):
                    self._waiting.remove(sibling)
                    self._running.append(sibling)
                    self._sample(sibling, row)
        self._sample(sequence, row)

    def _sample(self, sequence: Sequence, row: int) -> None:
        try:
            token = sequence.sampler.sample(self._context, row)
        except OutOfGrammar:
            logger.warning("an answer's grammar has grown too large; the answer is cut there")
            self._finish(sequence, "length")
            return
        if self._model.vocabulary.ends_generation(token):
            self._finish(sequence, "stop")
            return
        logprob = sequence.sampler.logprob(self._context, row, token)
        sequence.tokens.append(token)
        if sequence.speech.hear(token, logprob):
            self._finish(sequence, "stop")
        elif sequence.generated >= sequence.limit:
            self._finish(sequence, "length")

    def _finish(self, sequence: Sequence, reason: FinishReason) -> None:
        sequence.speech.finish(reason)
        self._retire(sequence)

    def _retire(self, sequence: Sequence) -> None:
        sequence.request.sequences.remove(sequence)
        sequence.sampler.close()
        if sequence in self._running:
            self._running.remove(sequence)
            self._cache.release(sequence)
        else:
            self._waiting.remove(sequence)
