"""What answers a question, wherever it is: this node's pool, or a peer. Knows neither."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from swarm.chat.completion import Piece
from swarm.types import FinishReason, Question, TokenLogprob

LONGEST_S = 3600.0
"""The longest time that a question has: on a slow machine a long file takes many minutes."""


def most_bytes(context_tokens: int) -> int:
    """The longest request, as JSON, that is read by a node with a context of that length."""
    return max(16 << 20, 8 * context_tokens)


@dataclass(frozen=True, slots=True)
class Began:
    """A worker has read its prompt, `cached_tokens` of it from the prefix cache.

    Told again where they were an estimate until now, also of a worker that has ended.
    """

    prompt_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Said:
    """More of a worker's answer; `calling`: a tool call is being written, or was.

    `tokens` is the number of tokens that it took, those of the reasoning among them.
    """

    pieces: tuple[Piece, ...] = ()
    tokens: int = 0
    reasoning_tokens: int = 0
    calling: bool = False
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """A worker's answer is complete, with this many tokens.

    `beside`: its calls are those that its engine itself tells apart from the text.
    """

    finish: FinishReason
    tokens: int
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker's answer will never be complete, and why; others may go on."""

    why: str


News: TypeAlias = Began | Said | Ended | Lost
Told: TypeAlias = tuple[int, News]
"""The number of a worker among those that were asked for, from 0, and what there is of its answer.
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a node would do for a model now: workers of a usual answer, free places, all places.

    `waiting_tokens` is the work in front of a new question: prompts to read, answers to write.
    """

    model: str
    usual: int
    free: int
    most: int
    waiting_tokens: int = 0
    context_tokens: int = 0
    default: bool = False


class Proposer(Protocol):
    """Anything that answers a question with the candidates of some workers."""

    @property
    def node(self) -> str:
        """The id of the node; a vote counts once for each."""
        ...

    @property
    def name(self) -> str:
        """What people call the node, unique among all that answer."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """What its owner may call the node, the more telling first; others may have one too."""
        ...

    @property
    def address(self) -> str:
        """Where the node is; the weight of all that share an address is bounded together."""
        ...

    def models(self) -> tuple[str, ...]:
        """The ids of the models that it serves."""
        ...

    def offer(self, model: str) -> Offer | None:
        """What it would do for a model id now, None if it cannot."""
        ...

    def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        """Let `workers` workers answer; ends when all have, or are lost. Closing cancels them.

        `live`: text comes as it is generated, otherwise an answer may come in one piece.
        Raises a SwarmError when all cannot, or no longer.
        """
        ...

    def won(self) -> None:
        """One of its workers' answers was given."""
        ...
