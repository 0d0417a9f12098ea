"""A PIN proved without being told, and what two machines then say sealed.

SPAKE2 (Abdalla and Pointcheval, 2005). The only importer of spake2, which is written in Python and
takes its time: call it in a thread.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from spake2 import SPAKE2_A, SPAKE2_B, SPAKEError  # pyright: ignore[reportMissingTypeStubs]
from spake2.ed25519_basic import NotOnCurve  # pyright: ignore[reportMissingTypeStubs]

from federation.certificates import derive
from swarm.errors import ProtocolMismatch, UntrustedPeer

MESSAGE_BYTES = 33
_NONCE = bytes(12)  # each key seals one message


class _Spake2(Protocol):
    """What is used of the package, which brings no types."""

    def start(self) -> bytes: ...
    def finish(self, inbound_side_and_message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Channel:
    """What two machines share once both have proved the same PIN; else their keys differ."""

    key: bytes = field(repr=False)

    def proof(self, of: Literal["begun", "joined"]) -> bytes:
        """32 bytes that only the two ends of this channel can make. Compare in constant time."""
        return derive(self.key, f"pairing proof {of}", 32)

    def seal(self, content: bytes) -> bytes:
        """`content` for the other end's eyes. Once a channel."""
        return self._cipher().encrypt(_NONCE, content, None)

    def open(self, sealed: bytes) -> bytes:
        """What the other end sealed. Raises UntrustedPeer when it was not the other end."""
        try:
            return self._cipher().decrypt(_NONCE, sealed, None)
        except InvalidTag:
            raise UntrustedPeer("the PIN is not the one that was shown") from None

    def _cipher(self) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(derive(self.key, "pairing seal", 32))


class Side:
    """One end of the exchange: its `message` goes out, the other's comes in, once."""

    def __init__(self, spake2: _Spake2) -> None:
        self._spake2 = spake2
        self.message = spake2.start()

    @classmethod
    def caller(cls, digits: str) -> "Side":
        """The member that approves."""
        return cls(cast("_Spake2", SPAKE2_A(digits.encode())))

    @classmethod
    def door(cls, digits: str) -> "Side":
        """The machine that shows the PIN."""
        return cls(cast("_Spake2", SPAKE2_B(digits.encode())))

    def finish(self, message: bytes, *, caller: str, door: str) -> Channel:
        """The channel between these two node ids. Raises ProtocolMismatch for a bad message.

        The ids go into the key here, because the caller learns the door's with its message.
        """
        try:
            key = self._spake2.finish(message)
        except (SPAKEError, NotOnCurve, ValueError) as error:
            raise ProtocolMismatch("the pairing message is no SPAKE2 message") from error
        return Channel(derive(key, f"pairing {caller} {door}", 32))
