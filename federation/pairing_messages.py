"""What a pairing says, as strict JSON with bytes in base64. Knows no HTTP."""

from typing import Annotated, Literal, TypeVar

from annotated_types import Ge, Le, Len
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from federation.fields import NodeId, Session
from federation.pake import MESSAGE_BYTES
from federation.store import MOST_PAST
from federation.trust import SECRET_BYTES
from mistakes import first_mistake
from printable import printable
from swarm.errors import ProtocolMismatch

PROTOCOL = 1
BODY_BYTES = 4096
"""No body of a pairing is longer."""

Address = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F:.]{2,45}$")]
Secret = Annotated[bytes, Len(SECRET_BYTES, SECRET_BYTES)]
Proof = Annotated[bytes, Len(32, 32)]


class Message(BaseModel):
    """Anything that one end says. Errors never repeat what was said."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class Begin(Message):
    """The caller's half of the exchange; goes to `/pair/begin`."""

    protocol: int = PROTOCOL
    node: NodeId
    message: Annotated[bytes, Len(MESSAGE_BYTES, MESSAGE_BYTES)]


class Begun(Message):
    """The door's half, and its proof that it has the PIN: nothing is handed to one that has not."""

    node: NodeId
    session: Session
    message: Annotated[bytes, Len(MESSAGE_BYTES, MESSAGE_BYTES)]
    proof: Proof


class Finish(Message):
    """A `Handover`, sealed; goes to `/pair/finish`."""

    session: Session
    sealed: Annotated[bytes, Len(1, 2048)]


class Finished(Message):
    """The new member is one, and it is the one that was meant."""

    joined: Literal[True] = True
    proof: Proof


class Handover(Message):
    """What makes a member: the federation's secret, those it had before, and where the approver's
    peer door is.
    """

    secret: Secret
    past: Annotated[list[Secret], Len(0, MOST_PAST)]
    addresses: Annotated[list[Address], Len(0, 16)]
    port: Annotated[int, Ge(0), Le(65535)]


class Refused(Message):
    """Why not."""

    model_config = ConfigDict(extra="ignore")

    error: str
    protocol: int = PROTOCOL


class _Versioned(Message):
    model_config = ConfigDict(extra="ignore")

    protocol: int


AnyMessage = TypeVar("AnyMessage", bound=Message)


def decode(kind: type[AnyMessage], body: bytes) -> AnyMessage:
    """Raises ProtocolMismatch, which names the first field that is wrong."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise ProtocolMismatch(printable(first_mistake(error, "the body"))[:300]) from None


def told_why(body: bytes) -> str:
    """A refusal in the other machine's words, as far as a terminal may show them; empty where it
    has none.
    """
    try:
        words = decode(Refused, body).error
    except ProtocolMismatch:
        return ""
    return printable(words)[:200]


def decode_begin(body: bytes) -> Begin:
    """Its version is looked at first, for another one may have other fields."""
    check_version(decode(_Versioned, body).protocol)
    return decode(Begin, body)


def check_version(protocol: int) -> None:
    """Raises ProtocolMismatch, with both numbers, unless it is ours."""
    if protocol != PROTOCOL:
        raise ProtocolMismatch(
            f"the other machine pairs by version {protocol}, this one by {PROTOCOL}: "
            "bring both to the same version of Local Swarm"
        )
