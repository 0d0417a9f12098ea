"""What a node and its engine process say to each other, and how it is framed.

Frames are pickles with a length before them: both ends are the same program, and the pipe is
theirs alone. One frame carries all events of a step, never one a token.
"""

import pickle
import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

from swarm.engines.base import Embedding, EngineLoad, Event, ModelInfo
from swarm.errors import SwarmError
from swarm.types import Prompt

LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Start:
    """The first message: call `factory` ("module:function") with `options` for a Stepper."""

    factory: str
    options: Any
    log_level: int


@dataclass(frozen=True, slots=True)
class Submit:
    """Generate; answered by Stepped reports, or by a Refused."""

    id: int
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop generating, or make no vector of a text that still waits; not answered itself."""

    id: int


@dataclass(frozen=True, slots=True)
class Tokenize:
    """Token ids of a text, please; answered by a Reply."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Embed:
    """A text as a vector, please; answered by a Reply or a Refused, also where it was cancelled."""

    id: int
    text: str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskLoad:
    """How busy is the engine? Answered by a Reply."""

    id: int


Command: TypeAlias = Submit | Cancel | Tokenize | Embed | AskLoad


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded and has decoded a token."""

    info: ModelInfo


@dataclass(frozen=True, slots=True)
class Refused:
    """A request, or with id None the start itself, failed with this error."""

    id: int | None
    error: SwarmError


@dataclass(frozen=True, slots=True)
class Stepped:
    """All events of one step, by request id."""

    events: list[tuple[int, list[Event]]]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a Tokenize, an Embed or an AskLoad."""

    id: int
    value: list[int] | Embedding | EngineLoad


Report: TypeAlias = Ready | Refused | Stepped | Reply


def encode_frame(message: object) -> bytes:
    """A message as bytes: four bytes of length, network order, then the pickle."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(body)) + body


def decode_body(body: bytes) -> Any:
    """The message of a frame without its length. Only for frames of our own child's pipe."""
    return pickle.loads(body)  # noqa: S301 - the other end is this same program
