"""The messages between nodes: versioned, strict JSON; an answer is one line for each news.

Whoever reads a message bounds its bytes first. Knows no sockets.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from federation.fields import FileDigest, NodeId, ShortId
from mistakes import first_mistake
from printable import printable
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import Piece, Reasoning, Text
from swarm.errors import ProtocolMismatch
from swarm.proposer import LONGEST_S, Began, Ended, Lost, News, Offer, Said, Told, most_bytes
from swarm.types import Question, TokenLogprob

PROTOCOL = 2

STATUS_BYTES = 64 << 10
"""The longest status that is read."""

ANSWER_BYTES = 8 << 20
"""The longest answer of one peer that is read, all candidates together."""

_WHY = 1024
_WORDS = 300
"""A reason has at most this many characters; the name of a field may be as long as a message."""

MAX_WORKERS = 64
MAX_FILES = 64
MOST = 1 << 31
"""No count of tokens, places or workers is larger."""


class _Message(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class _Body(_Message):
    """A message of its own, which says its version first."""

    protocol: Literal[2] = PROTOCOL


BodyT = TypeVar("BodyT", bound=_Body)


def _printable(text: str) -> str:
    """Names stand in logs and on screens."""
    if not text.isprintable():
        raise ValueError("has characters that cannot be shown")
    return text


def _counted(*names: str) -> AfterValidator:
    """These fields are counts."""

    def check(told: ToldT) -> ToldT:
        wrong = [name for name in names if not 0 <= getattr(told, name) <= MOST]
        if wrong:
            raise ValueError(f"{wrong[0]} is no count")
        return told

    return AfterValidator(check)


def _offered(offer: Offer) -> Offer:
    if not (offer.model.isprintable() and 0 < len(offer.model) <= MODEL_CHARACTERS):
        raise ValueError(f"model is no id of at most {MODEL_CHARACTERS} characters")
    return offer


ToldT = TypeVar("ToldT")
MODEL_CHARACTERS = 256
LABEL_CHARACTERS = 128
HARDWARE_CHARACTERS = 512
MOST_MODELS = 256
Name: TypeAlias = Annotated[str, Field(max_length=LABEL_CHARACTERS), AfterValidator(_printable)]
Offered: TypeAlias = Annotated[
    Offer,
    _counted("usual", "free", "most", "waiting_tokens", "context_tokens"),
    AfterValidator(_offered),
]
_PART = r"[A-Za-z0-9][A-Za-z0-9 ()+,=@._~-]*"
FileName: TypeAlias = Annotated[str, Field(max_length=256, pattern=f"^{_PART}(/{_PART})*$")]
"""A path below a folder: no part leads up or to another drive, so that a peer writes nowhere else.
"""


class Status(_Body):
    """What a node says of itself in every heartbeat.

    `epoch` is when its process began (Unix nanoseconds): it tells a restart from a duplicate.
    `clock_s` is its clock when it said so. `waiting_tokens` is the work in front of a new prompt.
    """

    version: Name
    node: NodeId
    name: Name
    epoch: int
    clock_s: float
    port: int = Field(ge=1, le=65535)
    models: tuple[Offered, ...] = Field(max_length=MOST_MODELS)
    hardware: Annotated[str, Field(max_length=HARDWARE_CHARACTERS), AfterValidator(_printable)] = ""
    engine: Name = ""


def question_bytes(status: Status) -> int:
    """The longest question that a node with this status reads.

    Twice what its endpoint does: a question says more than the request that it was made of.
    """
    return 2 * most_bytes(max((offer.context_tokens for offer in status.models), default=0))


class Same(_Body):
    """A status as it was told before, but for the clock: its digest, of 16 hex digits."""

    same: ShortId
    clock_s: float


class ProposeBody(_Body):
    """A question for some of the peer's workers. `label` names it in logs."""

    label: Name
    question: Question
    workers: int = Field(ge=1, le=MAX_WORKERS)
    remaining_s: float = Field(gt=0, le=LONGEST_S)
    live: bool = False


class NewSecret(_Body):
    """The federation's next secret, from one member to the others."""

    secret: bytes = Field(min_length=16, max_length=16)


class ToolKey(_Body):
    """Where a node's tool server is, and the token that it asks for."""

    host: Annotated[str, Field(max_length=64, pattern=r"^[0-9A-Za-z.:%-]+$")]
    port: int = Field(ge=1, le=65535)
    token: Annotated[
        str, Field(min_length=1, max_length=512, repr=False), AfterValidator(_printable)
    ]


class CodeOver(_Body):
    """The federation with this id has another code now: from a member to one that was away."""

    federation: ShortId


class FilesBody(_Body):
    """The names of the model files that are looked for."""

    names: tuple[FileName, ...] = Field(max_length=MAX_FILES)


class FileOffer(_Message):
    """A file that can be copied."""

    name: FileName
    size_bytes: int = Field(ge=0)
    sha256: FileDigest


class FilesAnswer(_Body):
    """Those of them that are here."""

    files: tuple[FileOffer, ...] = Field(max_length=MAX_FILES)


class BeganLine(_Message):
    """Worker `at` has read its prompt."""

    kind: Literal["began"] = "began"
    at: int
    news: Annotated[Began, _counted("prompt_tokens", "cached_tokens")]


PieceKind: TypeAlias = Literal["text", "reasoning", "call", "arguments"]


class SaidLine(_Message):
    """Worker `at` said more: pieces in their order, runs of one kind joined."""

    kind: Literal["said"] = "said"
    at: int
    pieces: tuple[tuple[PieceKind, str], ...]
    tokens: int = Field(ge=0, le=MOST)
    reasoning_tokens: int = Field(ge=0, le=MOST)
    calling: bool
    logprobs: tuple[TokenLogprob, ...]

    @property
    def news(self) -> Said:
        """What it tells."""
        return Said(
            tuple(_PIECES[kind](text) for kind, text in self.pieces),
            self.tokens,
            self.reasoning_tokens,
            self.calling,
            self.logprobs,
        )


class EndedLine(_Message):
    """Worker `at` is done."""

    kind: Literal["ended"] = "ended"
    at: int
    news: Annotated[Ended, _counted("tokens")]


def _short(why: str) -> str:
    return printable(why)[:_WHY]


class LostLine(_Message):
    """Worker `at` will never be done; others may be."""

    kind: Literal["lost"] = "lost"
    at: int
    news: Annotated[Lost, AfterValidator(lambda lost: Lost(_short(lost.why)))]


class FailedLine(_Message):
    """The peer cannot go on; the last line of an answer that is not whole.

    `status` is HTTP's, as if the peer had refused at once; 0 where it has none.
    """

    kind: Literal["failed"] = "failed"
    why: Annotated[str, AfterValidator(_short)]
    status: int = Field(default=0, ge=0, le=599)


class DoneLine(_Message):
    """The last line of an answer that is whole."""

    kind: Literal["done"] = "done"


Line: TypeAlias = BeganLine | SaidLine | EndedLine | LostLine | FailedLine | DoneLine
_PIECES: dict[PieceKind, Callable[[str], Piece]] = {
    "text": Text,
    "reasoning": Reasoning,
    "call": Call,
    "arguments": Arguments,
}
_FILE_NAMES: TypeAdapter[tuple[FileName, ...]] = TypeAdapter(tuple[FileName, ...])
_SAME = b'{"protocol":%d,"same":' % PROTOCOL
_LINES: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])


def encode_lines(told: Sequence[Told]) -> bytes:
    """News as lines."""
    return b"".join(encode_line(line_of(*one)) for one in told)


def line_of(at: int, news: News) -> Line:
    """The line for a piece of news of worker `at`."""
    match news:
        case Began():
            return BeganLine(at=at, news=news)
        case Said():
            return SaidLine(
                at=at,
                pieces=_joined(news.pieces),
                tokens=news.tokens,
                reasoning_tokens=news.reasoning_tokens,
                calling=news.calling,
                logprobs=news.logprobs,
            )
        case Ended():
            return EndedLine(at=at, news=news)
        case Lost():
            return LostLine(at=at, news=news)


def _joined(pieces: Sequence[Piece]) -> tuple[tuple[PieceKind, str], ...]:
    """Pieces as pairs; a call's own arguments follow it, runs of one kind are one."""
    pairs: list[tuple[PieceKind, str]] = []
    for piece in pieces:
        for kind, text in _pairs(piece):
            if pairs and pairs[-1][0] == kind != "call":
                pairs[-1] = (kind, pairs[-1][1] + text)
            else:
                pairs.append((kind, text))
    return tuple(pairs)


def _pairs(piece: Piece) -> list[tuple[PieceKind, str]]:
    match piece:
        case Text(text):
            return [("text", text)]
        case Reasoning(text):
            return [("reasoning", text)]
        case Call(name, arguments):
            return [("call", name), *([("arguments", arguments)] if arguments else ())]
        case Arguments(text):
            return [("arguments", text)]


def encode_line(line: Line) -> bytes:
    """One line, its end included."""
    return line.model_dump_json().encode() + b"\n"


def can_be_asked_for(names: Sequence[str]) -> bool:
    """Whether these are names that the wire has for files."""
    try:
        _FILE_NAMES.validate_python(tuple(names))
    except ValidationError:
        return False
    return True


def encode_body(message: BaseModel) -> bytes:
    """A message as the body of a request or an answer."""
    return message.model_dump_json().encode()


def decode_line(raw: bytes) -> Line:
    """Raises ProtocolMismatch for what is not a line of ours."""
    try:
        return _LINES.validate_json(raw)
    except ValidationError as error:
        raise ProtocolMismatch(f"a line of its answer is wrong: {_first(error)}") from None


def decode_heartbeat(raw: bytes) -> Status | Same:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(Same if raw.startswith(_SAME) else Status, raw)


def decode_propose(raw: bytes) -> ProposeBody:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(ProposeBody, raw)


def decode_secret(raw: bytes) -> NewSecret:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(NewSecret, raw)


def decode_over(raw: bytes) -> CodeOver:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(CodeOver, raw)


def decode_files(raw: bytes) -> FilesBody:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(FilesBody, raw)


def decode_tool_key(raw: bytes) -> ToolKey:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(ToolKey, raw)


def decode_files_answer(raw: bytes) -> FilesAnswer:
    """Raises ProtocolMismatch that names the version or the field."""
    return _decode(FilesAnswer, raw)


class _Versioned(BaseModel):
    """The one field that every version of every message has."""

    protocol: int


def _decode(kind: type[BodyT], raw: bytes) -> BodyT:
    try:
        version = _Versioned.model_validate_json(raw).protocol
        if version != PROTOCOL:
            # Told to the peer as well: true from both sides.
            older, newer = sorted((version, PROTOCOL))
            told = f"versions {older} and {newer} of the protocol do not fit: update the older node"
            raise ProtocolMismatch(told)
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise ProtocolMismatch(f"its message is wrong: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    """Where and why, without what it said but the names of fields."""
    return printable(first_mistake(error, ""))[:_WORDS]
