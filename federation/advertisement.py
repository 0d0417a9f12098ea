"""What a node says of itself to everybody on the LAN: a name and five fields of a TXT record.

Pure. What comes in was written by anybody: every field is checked before it is believed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from federation.fields import SHORT_ID
from swarm.errors import ProtocolMismatch

PROTOCOL = 1
NODE_PREFIX_HEX = 16
NAME_HEX = 8

_HEX = re.compile(SHORT_ID)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,4}")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-[0-9a-f]{8}")
_HOST_CHARACTERS = 40
_MAX_FIELDS = 16


@dataclass(frozen=True, slots=True)
class Advertisement:
    """A node's own words, a hint until the peer door proves them.

    `node` is the first 16 hex digits of the node id, `federation` the 16 of the federation's
    hash. `port` is the peer door's, `pairing` the pairing port; 0 while it is closed.
    """

    protocol: int
    node: str
    federation: str
    port: int
    pairing: int

    @classmethod
    def of(cls, node_id: str, federation: str, *, port: int = 0, pairing: int = 0) -> Self:
        """What a node of ours says, of which `node_id` is the whole id."""
        return cls(PROTOCOL, node_id[:NODE_PREFIX_HEX], federation, port, pairing)


def encode_txt(advertisement: Advertisement) -> dict[bytes, bytes]:
    """The fields of the TXT record."""
    fields = {
        "v": str(advertisement.protocol),
        "node": advertisement.node,
        "fed": advertisement.federation,
        "port": str(advertisement.port),
        "pair": str(advertisement.pairing),
    }
    return {key.encode(): value.encode() for key, value in fields.items()}


def decode_txt(txt: Mapping[bytes, bytes | None]) -> Advertisement:
    """The advertisement in a TXT record; fields that are not ours are passed over.

    ProtocolMismatch names the field that is wrong, or the version that is not this node's.
    """
    if len(txt) > _MAX_FIELDS:
        raise ProtocolMismatch(f"{len(txt)} fields, at most {_MAX_FIELDS} are read")
    protocol = _number(txt, "v")
    if protocol != PROTOCOL:
        raise ProtocolMismatch(f"it speaks protocol {protocol}, this node {PROTOCOL}")
    return Advertisement(
        protocol=protocol,
        node=_hex(txt, "node"),
        federation=_hex(txt, "fed"),
        port=_number(txt, "port"),
        pairing=_number(txt, "pair"),
    )


def instance_name(host_name: str, node_id: str) -> str:
    """The name under which a node is announced, `kitchen-1a2b3c4d`.

    The machine's first name in letters, digits and dashes; the node id keeps two machines of
    one name apart.
    """
    first = host_name.lower().partition(".")[0]
    safe = re.sub(r"[^a-z0-9]+", "-", first)[:_HOST_CHARACTERS].strip("-")
    return f"{safe or 'node'}-{node_id[:NAME_HEX]}"


def machine_of(name: str) -> str:
    """The machine's part of an instance name: `kitchen` of `kitchen-1a2b3c4d`."""
    return name[: -NAME_HEX - 1] or name


def check_name(name: str, advertisement: Advertisement) -> None:
    """ProtocolMismatch unless the instance name is of our form and of this node."""
    if not is_instance_name(name):
        raise ProtocolMismatch("its name is not a machine's name, a dash and 8 hex digits")
    if name[-NAME_HEX:] != advertisement.node[:NAME_HEX]:
        raise ProtocolMismatch("its name and its field node do not belong together")


def is_instance_name(name: str) -> bool:
    """Whether it is a name that `instance_name` could have made."""
    return _NAME.fullmatch(name) is not None


def _text(txt: Mapping[bytes, bytes | None], key: str) -> str:
    value = txt.get(key.encode())
    if value is None:
        raise ProtocolMismatch(f"the field {key} is missing")
    return value.decode("ascii", errors="replace")


def _hex(txt: Mapping[bytes, bytes | None], key: str) -> str:
    text = _text(txt, key)
    if not _HEX.fullmatch(text):
        raise ProtocolMismatch(f"the field {key} is not 16 hex digits in lower case")
    return text


def _number(txt: Mapping[bytes, bytes | None], key: str) -> int:
    text = _text(txt, key)
    if not _NUMBER.fullmatch(text) or int(text) > 65535:
        raise ProtocolMismatch(f"the field {key} is not a number from 0 to 65535")
    return int(text)
