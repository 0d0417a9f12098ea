"""The MLX engine: requests become sequences of mlx-lm's batch generator, which advances them all.

A prompt is read once, and its sequences begin from copies of what was computed.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, StopSequences

from swarm.engines.base import (
    Accepted,
    Embedding,
    EngineLoad,
    Event,
    ModelInfo,
)
from swarm.engines.beginning import Beginning, beginnings
from swarm.engines.mlx.kept import Layers, PromptCache, stays_cuttable
from swarm.engines.mlx.model import Model, load_folder
from swarm.engines.mlx.options import MlxOptions
from swarm.engines.mlx.sampler import Sampler
from swarm.engines.mlx.sequence import Request, Sequence, Siblings
from swarm.engines.pace import Pace
from swarm.engines.prompts import checked_tokens
from swarm.engines.telling import Telling, collect
from swarm.errors import InvalidRequest
from swarm.types import FinishReason, Prompt

logger = logging.getLogger(__name__)

READING = 8
"""Prompts that are read side by side at most: they share a chunk, and are padded to its longest.
Running states are read one by one, for some of mlx-lm's models take the padding into them."""

RESERVE_TOKENS = 64
"""Every sequence keeps room to grow by this many tokens when another one is let in beside it."""


def load(options: MlxOptions) -> "MlxEngine":
    """Load a folder and decode some tokens with it. Raises ModelLoadFailed."""
    return MlxEngine(load_folder(options), options)


class MlxEngine:
    """A Stepper on mlx-lm. One thread drives it."""

    def __init__(self, model: Model, options: MlxOptions) -> None:
        self._model = model
        self._sequences = model.info.max_sequences
        self._generator: Any = BatchGenerator(
            model.network,
            completion_batch_size=self._sequences,
            prefill_batch_size=self._sequences,
            prefill_step_size=options.chunk_tokens,
        )
        self._ends = StopSequences([[token] for token in model.vocabulary.end_tokens])
        self._kept = PromptCache()
        self._pace = Pace(most_tokens=options.chunk_tokens, pause_s=options.pause_s)
        self._waiting: deque[Siblings] = deque()
        self._reading: dict[int, tuple[Siblings, int]] = {}
        self._running: dict[int, Sequence] = {}
        self._requests: dict[int, Request] = {}

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    def close(self) -> None:
        for request_id in list(self._requests):
            self.cancel(request_id)
        self._generator.close()

    def tokenize(self, text: str) -> list[int]:
        return self._model.vocabulary.tokenize(text)

    def submit(self, request_id: int, prompt: Prompt) -> Accepted:
        tokens = checked_tokens(prompt, self.info, self.tokenize)
        request = Request(request_id, Telling(len(tokens)))
        words = self._model.vocabulary
        begin = beginnings(
            prompt, self.info, request.telling, pieces=words, grammars=lambda: words.grammars
        )
        request.sequences = [self._sequence(request, tokens, each) for each in begin]
        self._requests[request_id] = request
        self._waiting.append(Siblings(list(request.sequences)))
        return Accepted(len(tokens))

    def cancel(self, request_id: int) -> None:
        request = self._requests.pop(request_id, None)
        if request is None:
            return
        self._waiting = deque(s for s in self._waiting if s.sequences[0].request is not request)
        gone = [uid for uid, sequence in self._running.items() if sequence.request is request]
        self._remove(gone)

    def interrupt(self, request_id: int) -> None:
        """MLX cannot end a computation that runs: chunks are short instead (`PAUSE_S`)."""

    def step(self) -> list[tuple[int, list[Event]]]:
        """A token for every stream, then a chunk of the prompts that are being read."""
        self._make_room()
        self._admit()
        self._generator.prefill_step_size = self._chunk_tokens()
        began = time.monotonic()
        progress, responses = self._generator.next()
        read = sum(self._note_progress(response) for response in progress)
        self._pace.note(read, time.monotonic() - began)
        for response in responses:
            self._take(response)
        return collect(self._requests)

    def embed(self, text: str | tuple[int, ...]) -> Embedding:  # noqa: ARG002 - the contract's
        """Raises InvalidRequest: mlx-lm's models give no hidden states."""
        raise InvalidRequest("an MLX model makes no embeddings here", param="model")

    def load(self) -> EngineLoad:
        waiting = {s.sequences[0].request.id for s in self._waiting if not s.sequences[0].generated}
        room = self._model.room
        used = self._kept.tokens + sum(len(s.tokens) for s in self._running.values())
        return EngineLoad(
            running=len(self._requests) - len(waiting),
            waiting=len(waiting),
            sequences=len(self._running),
            cells_used=min(used, room.longest_tokens),
            cells_total=room.longest_tokens,
        )

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    def _sequence(self, request: Request, tokens: list[int], begin: Beginning) -> Sequence:
        sampler = Sampler(
            self._model.vocabulary,
            begin.params,
            prompt_tokens=len(tokens),
            index=begin.indices[0],
            bound=begin.bound,
        )
        return Sequence(request, list(tokens), sampler, begin.speech, begin.limit)

    def _lengths(self, also: Iterable[Sequence] = (), *, grown: int = 0) -> list[int]:
        """The tokens of all that runs or is to begin with what is being read."""
        reading = (s for siblings, _ in self._reading.values() for s in siblings.sequences[1:])
        return [len(s.tokens) + grown for s in (*self._running.values(), *reading, *also)]

    def _admit(self) -> None:
        """Let waiting siblings begin, oldest first, as far as places and memory allow."""
        most = READING if self.info.prefix_cuttable else 1
        while self._waiting and len(self._reading) < most:
            siblings = self._waiting[0]
            lengths = self._lengths(siblings.sequences, grown=RESERVE_TOKENS)
            alone = len(lengths) == len(siblings.sequences)
            if len(lengths) > self._sequences:
                return
            if not alone and not self._model.room.has_room(lengths):
                return
            self._begin(self._waiting.popleft())

    def _begin(self, siblings: Siblings) -> None:
        """Read what is not in the cache with the first of the siblings, or begin with all."""
        tokens = siblings.tokens
        layers, length = self._kept.beginning(tokens) or (None, 0)
        siblings.sequences[0].request.telling.reading(length)
        unread = len(tokens) - 1 - length
        first = siblings.sequences if not unread else siblings.sequences[:1]
        uids = self._insert(first, layers, length)
        if unread:
            self._reading[uids[0]] = siblings, 0

    def _insert(self, sequences: list[Sequence], layers: Layers | None, length: int) -> list[int]:
        """Hand sequences to the generator, the first `length` tokens being in `layers`."""
        tokens = sequences[0].tokens
        count = len(sequences)
        with mx.stream(self._generator.stream):
            uids = self._generator.insert_segments(
                [[tokens[length:-1], tokens[-1:]] for _ in sequences],
                max_tokens=[sequence.limit - sequence.generated for sequence in sequences],
                caches=None if layers is None else [layers] * count,
                all_tokens=[tokens[:length] for _ in sequences],
                samplers=[sequence.sampler.choose for sequence in sequences],
                logits_processors=[sequence.sampler.processors for sequence in sequences],
                stop_sequences=[self._ends] * count,
            )
        self._running.update(zip(uids, sequences, strict=True))
        return uids

    def _chunk_tokens(self) -> int:
        """What each of the prompts that are being read gets of a step."""
        return max(1, self._pace.chunk_tokens() // max(len(self._reading), 1))

    def _note_progress(self, response: Any) -> int:
        """Follow a prompt that is being read; how many tokens of it were read in this step."""
        siblings, before = self._reading.get(response.uid, (None, 0))
        if siblings is None:
            return 0
        done, total = response.progress
        self._reading[response.uid] = siblings, done
        if done == total - 1:  # all but the last token, from which every sibling begins
            del self._reading[response.uid]
            self._fork(response.uid, siblings)
        return done - before

    def _fork(self, uid: int, siblings: Siblings) -> None:
        with mx.stream(self._generator.stream):
            layers, tokens = self._generator.extract_cache([uid])[uid]
        if not stays_cuttable(layers):
            self._kept.keep(tokens, layers)  # the end of the answer may not be cut back to here
        others = siblings.sequences[1:]
        if others:
            self._insert(others, layers, len(tokens))

    def _take(self, response: Any) -> None:
        """Show a token, and note the end of a sequence that has come to one."""
        sequence = self._running[response.uid]
        sequence.request.telling.start()
        reason = response.finish_reason
        if sequence.sampler.lost:
            logger.warning("an answer's grammar has grown too large; the answer is cut there")
            self._finish(sequence, "length")
            self._leave(sequence, response)
            return
        stopped = reason == "stop" or self._show_token(sequence, response.token)
        if not stopped and reason is None:
            return
        self._finish(sequence, "stop" if stopped else "length")
        self._leave(sequence, response)

    def _leave(self, sequence: Sequence, response: Any) -> None:
        """An ended sequence leaves the batch; what it had computed is kept."""
        if response.finish_reason is None:  # its end is of ours: the generator knows nothing of it
            self._remove([response.uid])
        else:
            del self._running[response.uid]
            self._keep(sequence.request, response.all_tokens, response.prompt_cache)

    def _show_token(self, sequence: Sequence, token: int) -> bool:
        """Whether the token completed a stop string."""
        sequence.tokens.append(token)
        return sequence.speech.hear(token, sequence.sampler.logprob(token))

    @staticmethod
    def _finish(sequence: Sequence, reason: FinishReason) -> None:
        sequence.speech.finish(reason)
        sequence.request.sequences.remove(sequence)

    def _remove(self, uids: list[int]) -> None:
        """Take sequences out of the batches; what one of them had computed is kept."""
        if not uids:
            return
        with mx.stream(self._generator.stream):
            removed = self._generator.remove(uids, return_prompt_caches=True)
        for uid, (layers, tokens) in sorted(removed.items(), key=lambda item: -len(item[1][1])):
            self._reading.pop(uid, None)
            self._keep(self._running.pop(uid).request, tokens, layers)

    def _keep(self, request: Request, tokens: list[int], layers: Layers) -> None:
        """Of all sequences of a request one is enough: the others have the same prompt."""
        if tokens and not request.kept:
            request.kept = True
            self._kept.keep(tokens, layers)

    def _make_room(self) -> None:
        """Running sequences come before kept ones; where they outgrow the memory, the youngest
        waits again. One that is alone always fits."""
        room = self._model.room
        while len(self._running) > 1 and not room.has_room(self._lengths()):
            self._put_back(next(reversed(self._running)))
        self._kept.shrink(room.memory_bytes - room.batch_bytes(self._lengths()))

    def _put_back(self, uid: int) -> None:
        with mx.stream(self._generator.stream):
            self._generator.remove([uid])
        sequence = self._running.pop(uid)
        sequence.sampler.rewind(sequence.generated)
        siblings, _ = self._reading.pop(uid, (Siblings([sequence]), 0))
        self._waiting.appendleft(siblings)
