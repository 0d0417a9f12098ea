"""What a node remembers of its federation between two starts: its key and its membership.

Blocking: call it outside of the event loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.fields import NodeId, SecretHex
from federation.trust import NodeKey
from mistakes import first_mistake
from private_files import make_private_folder, write_private
from swarm.errors import ConfigurationError

MOST_PAST = 8
"""At most this many earlier codes are kept: a member that was off since then is still told the new
one."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The federation a node is in. `members`: ids of the nodes ever seen in it, but its own.

    `past`: the secrets that it had before, the latest first, at most `MOST_PAST`.
    """

    secret: bytes = field(repr=False)
    members: tuple[str, ...] = ()
    founded_alone: bool = False
    past: tuple[bytes, ...] = field(default=(), repr=False)

    def renewed(self, secret: bytes, members: Sequence[str] | None = None) -> "Membership":
        """The same federation with another secret; with the same members unless told."""
        left = self.members if members is None else tuple(members)
        return Membership(secret, left, past=(self.secret, *self.past)[:MOST_PAST])

    def with_member(self, node_id: str) -> "Membership":
        """The same federation with one more, in which nobody is alone."""
        return replace(self, members=(*self.members, node_id), founded_alone=False)


class _File(BaseModel):
    """`federation.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    version: Literal[1]
    secret: SecretHex
    members: list[NodeId]
    founded_alone: bool
    past: list[SecretHex] = Field(default=[], max_length=MOST_PAST)


class Store:
    """A node's folder (0700) with `key.pem` and `federation.json` (0600). Raises OSError."""

    def __init__(self, folder: Path) -> None:
        make_private_folder(folder)
        self.folder = folder
        self._path = folder / "federation.json"

    def key(self) -> NodeKey:
        """This node's key, made at the first call. Raises ConfigurationError."""
        return NodeKey.load_or_make(self.folder / "key.pem")

    def load(self) -> Membership | None:
        """None when the node is in no federation. Raises ConfigurationError for a damaged file."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            file = _File.model_validate_json(content)
        except ValidationError as error:
            raise self._damaged(error) from None  # its cause could repeat the secret
        past = tuple(bytes.fromhex(secret) for secret in file.past)
        return Membership(bytes.fromhex(file.secret), tuple(file.members), file.founded_alone, past)

    def save(self, membership: Membership) -> None:
        """Remember `membership` in the place of any other."""
        file = _File(
            version=1,
            secret=membership.secret.hex(),
            members=list(membership.members),
            founded_alone=membership.founded_alone,
            past=[secret.hex() for secret in membership.past],
        )
        write_private(self._path, file.model_dump_json(indent=2).encode() + b"\n")

    def forget(self) -> None:
        """Be in no federation; the key stays."""
        self._path.unlink(missing_ok=True)

    def _damaged(self, error: ValidationError) -> ConfigurationError:
        told = first_mistake(error, "the file")
        return ConfigurationError(
            f"{self._path} is damaged ({told}): put it back from a copy, or delete it and "
            "join again with `--join CODE` or a PIN"
        )
