"""What a request's sequences say, as the events that tell it: the same for every engine here.

Knows no model and no cache; is given tokens and what they show.
"""

import time
from collections.abc import MutableMapping, Sized
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from swarm.engines.base import Delta, Event, Finished, Started
from swarm.engines.text import TextStream
from swarm.types import FinishReason, TokenLogprob


class Pieces(Protocol):
    """What tokens look like."""

    def piece(self, token: int) -> bytes:
        """The bytes that a token shows; control tokens show none."""
        ...

    def written(self, token: int) -> str:
        """A token written out, special or not."""
        ...


@dataclass(slots=True, eq=False)
class Telling:
    """The events of one request that are not yet sent, and its times.

    `shown` are control tokens that its answers show.
    """

    prompt_tokens: int
    events: list[Event] = field(default_factory=list[Event])
    shown: frozenset[int] = frozenset()
    started: bool = False
    cached_tokens: int = 0
    prefill_began: float | None = None
    decode_began: float | None = None

    def reading(self, cached_tokens: int) -> None:
        """The prompt is being read from here on; anew for one that has lost its place."""
        if not self.started:
            self.prefill_began = self.prefill_began or time.monotonic()
            self.cached_tokens = cached_tokens

    def start(self) -> bool:
        """The prompt was read; whether that is news."""
        if self.started:
            return False
        self.started = True
        self.decode_began = time.monotonic()
        self.events.append(Started(self.prompt_tokens, self.cached_tokens))
        return True


@dataclass(slots=True, eq=False)
class Speech:
    """What the sequences `indices` of a request, which are one, have said: `tokens` of them, and
    the text so far.

    A log probability goes out with the text that its token begins in; those behind the text that
    a stop string ends never do, as the text itself.
    """

    telling: Telling
    indices: tuple[int, ...]
    pieces: Pieces
    text: TextStream
    tokens: int = 0
    _logprobs: list[tuple[int, TokenLogprob]] = field(
        default_factory=list[tuple[int, TokenLogprob]]
    )
    _told_tokens: int = 0
    _told_characters: int = 0

    def hear(self, token: int, logprob: TokenLogprob | None) -> bool:
        """One more token; whether it completed a stop string."""
        self.tokens += 1
        if logprob is not None:
            self._logprobs.append((self._told_characters + self.text.held, logprob))
        written = token in self.telling.shown
        piece = self.pieces.written(token).encode() if written else self.pieces.piece(token)
        shown = self.text.feed(piece)
        if shown.text:
            self._tell_shown(shown.text)
        if shown.stopped:
            self._logprobs.clear()
        return shown.stopped

    def finish(self, reason: FinishReason) -> None:
        """Nothing more comes."""
        rest = self.text.flush()
        if rest or self._logprobs:  # of tokens that show nothing, such as half a character
            self._tell(rest, tuple(logprob for _, logprob in self._logprobs))
        now = time.monotonic()
        began = self.telling.decode_began or now
        prefill_s = began - (self.telling.prefill_began or began)
        self.telling.events += [
            Finished(index, reason, self.tokens, prefill_s=prefill_s, decode_s=now - began)
            for index in self.indices
        ]

    def _tell_shown(self, text: str) -> None:
        """More text, with its tokens."""
        self._told_characters += len(text)
        begun = [logprob for at, logprob in self._logprobs if at < self._told_characters]
        self._logprobs = self._logprobs[len(begun) :]
        self._tell(text, tuple(begun))

    def _tell(self, text: str, logprobs: tuple[TokenLogprob, ...]) -> None:
        tokens = self.tokens - self._told_tokens
        self._told_tokens = self.tokens
        self.telling.events += [Delta(index, text, tokens, logprobs) for index in self.indices]


class Request(Protocol):
    """A prompt on its way: its sequences that are not finished."""

    @property
    def telling(self) -> Telling: ...
    @property
    def sequences(self) -> Sized: ...


R = TypeVar("R", bound=Request)


def collect(requests: MutableMapping[int, R]) -> list[tuple[int, list[Event]]]:
    """What there is to tell, by request; those of which no sequence is left are taken out."""
    events: list[tuple[int, list[Event]]] = []
    for request_id, request in list(requests.items()):
        if request.telling.events:
            events.append((request_id, request.telling.events))
            request.telling.events = []
        if not request.sequences:
            del requests[request_id]
    return events
