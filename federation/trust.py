"""Who belongs: the federation's secret and its join code, a node's key, its TLS contexts.

Whoever has the secret is a member. Knows no network and no folder but the one that it is given.
"""

import hashlib
import os
import secrets
import ssl
import tempfile
import unicodedata
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from federation.certificates import derive, issue, key_bytes, make_authority
from private_files import write_private
from swarm.errors import ConfigurationError, UntrustedPeer

SECRET_BYTES = 16

OPEN_SECRET = hashlib.sha256(b"local-swarm open federation").digest()[:SECRET_BYTES]
"""The secret of `--open`, which everybody knows: it keeps nobody out."""

_OPEN_FILES = Path("/dev/fd")
"""The folder where Unix shows a process its open files by their numbers; Windows has no
such folder."""

# Crockford's base 32: no letter of it looks like a digit, and none is a U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOK_ALIKES = str.maketrans("OILU", "011V")
_CODE_LENGTH = 30
_GROUP = 5
_CHECK_BITS = 5 * _CODE_LENGTH - 8 * SECRET_BYTES  # 22


def new_secret() -> bytes:
    """The secret of a new federation: 128 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def federation_id(secret: bytes) -> str:
    """16 hex digits by which members know each other's announcements; says nothing of `secret`."""
    return derive(secret, "federation id", 8).hex()


def encode_code(secret: bytes) -> str:
    """The secret as a person types it: six groups of five characters, a checksum in them."""
    number = int.from_bytes(secret) << _CHECK_BITS | _checksum(secret)
    digits = [_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_CODE_LENGTH))]
    code = "".join(digits)
    return "-".join(code[start : start + _GROUP] for start in range(0, _CODE_LENGTH, _GROUP))


def decode_code(text: str) -> bytes:
    """The secret of a typed code; case, spaces, dashes and look-alikes do not matter.

    Raises ConfigurationError, which says what is wrong and does not repeat the code.
    """
    code = "".join(char for char in text.upper() if not _parts_groups(char))
    code = code.translate(_LOOK_ALIKES)
    for place, char in enumerate(code, 1):
        if char not in _ALPHABET:
            raise ConfigurationError(
                f"the join code's character {place} is {char!r}; a code is made of digits and "
                "letters, such as `python main.py --show-code` prints it on a member"
            )
    if len(code) != _CODE_LENGTH:
        raise ConfigurationError(
            f"the join code has {len(code)} characters; it must have {_CODE_LENGTH}, "
            "in six groups of five"
        )
    return _checked(code)


def _checked(code: str) -> bytes:
    number = 0
    for char in code:
        number = number << 5 | _ALPHABET.index(char)
    secret = (number >> _CHECK_BITS).to_bytes(SECRET_BYTES)
    if number & (1 << _CHECK_BITS) - 1 != _checksum(secret):
        raise ConfigurationError(
            "the join code has a mistake: a character is wrong, or two are in each other's place"
        )
    if secret == OPEN_SECRET:
        raise ConfigurationError(
            "this join code is the one that everybody knows; to trust everybody say `--open`"
        )
    return secret


def _checksum(secret: bytes) -> int:
    digest = hashlib.sha256(b"local-swarm join code" + secret).digest()
    return int.from_bytes(digest[:4]) >> 32 - _CHECK_BITS


def _parts_groups(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Pd"


class NodeKey:
    """A node's own Ed25519 key. `node_id`: SHA-256 of the public key's SPKI, 64 hex digits."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self.private = private
        self.node_id = _id_of(private.public_key())

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """The key in `path` (PEM, 0600), made there the first time.

        Raises ConfigurationError when the file holds something else, OSError as it comes.
        """
        if not path.exists():
            made = cls(Ed25519PrivateKey.generate())
            write_private(path, made.pem())
            return made
        try:
            private = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _no_key(path) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise _no_key(path)
        return cls(private)

    def pem(self) -> bytes:
        """The private key, unencrypted."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def node_id_of(certificate_der: bytes) -> str:
    """The node id in a certificate that TLS has verified. Raises UntrustedPeer."""
    try:
        key = x509.load_der_x509_certificate(certificate_der).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UntrustedPeer("the peer's certificate cannot be read") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UntrustedPeer("the peer's certificate is not for a node's key (Ed25519)")
    return _id_of(key)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A node's proof that it belongs to the federation of `secret`. Its contexts read and write
    files in `folder`: make them outside of the event loop.
    """

    key: NodeKey
    secret: bytes = field(repr=False)
    folder: Path

    def server_context(self) -> ssl.SSLContext:
        """For a listening socket: serves members of this federation and nobody else."""
        context = self._context(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0  # each connection proves itself anew
        return context

    def client_context(self, *, named: bool = False) -> ssl.SSLContext:
        """For a call: speaks to members of this federation and nobody else.

        `named`: and only to the node whose `certified_name` is given as the server's name.
        """
        context = self._context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = named
        return context

    def _context(self, protocol: int) -> ssl.SSLContext:
        authority = make_authority(self.secret, f"local-swarm {federation_id(self.secret)}")
        certificate = issue(authority, self.key.private.public_key(), self.key.node_id)
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # a peer is its node id, wherever it lives
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        context.load_verify_locations(
            cadata=authority.certificate.public_bytes(Encoding.PEM).decode()
        )
        certified = certificate.public_bytes(Encoding.PEM)
        with _passed(self.folder, certified, self.key.pem()) as (chain, key):
            context.load_cert_chain(chain, key)
        return context


@contextmanager
def _passed(folder: Path, *contents: bytes) -> Generator[list[Path]]:
    """Paths at which each can be read once, since ssl takes a node's own certificate from no value.

    Where the folder takes no file, they are pipes, so that a full disk keeps no node out.
    """
    with ExitStack() as stack:
        try:
            passing = stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".tls-"))
            paths = [Path(passing) / f"{number}.pem" for number in range(len(contents))]
            for path, content in zip(paths, contents, strict=True):
                write_private(path, content)
        except OSError as error:
            if not os.access(_OPEN_FILES, os.X_OK):
                raise OSError(error.errno, error.strerror, str(folder)) from error
            paths = [stack.enter_context(_piped(content)) for content in contents]
        yield paths


@contextmanager
def _piped(content: bytes) -> Generator[Path]:
    """A pipe holds 4 KiB on every system; a certificate and a key are less."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as file:
            file.write(content)
        yield _OPEN_FILES / str(reading)
    finally:
        os.close(reading)


def _id_of(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key_bytes(key)).hexdigest()


def _no_key(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is not this node's key (Ed25519, PEM): put the file back from a copy, or delete "
        "it; the node then gets a new id"
    )
