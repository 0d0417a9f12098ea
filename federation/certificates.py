"""The federation's certificate authority, made from its secret, and what it certifies.

The same secret gives the same authority on every machine, so none has to be handed around.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# A clock that is wrong, even one that begins at 1970, breaks nothing; RFC 5280, 4.1.2.5, gives
# the last second of 9999 to certificates without an end. Who left is kept out by a new secret.
NOT_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


NODE_ID_HEX = 64


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs for a federation. Whoever has it can make members."""

    key: Ed25519PrivateKey
    certificate: x509.Certificate


def derive(secret: bytes, purpose: str, length: int) -> bytes:
    """`length` bytes from `secret` for one purpose only: HKDF-SHA256, RFC 5869."""
    return HKDF(SHA256(), length, salt=None, info=f"local-swarm {purpose} 1".encode()).derive(
        secret
    )


def key_bytes(key: Ed25519PublicKey) -> bytes:
    """The public key as its SubjectPublicKeyInfo in DER."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make_authority(secret: bytes, name: str) -> Authority:
    """The authority of `secret`, called `name`; byte for byte the same wherever it is made."""
    key = Ed25519PrivateKey.from_private_bytes(derive(secret, "certificate authority", 32))
    subject = _name(name)
    draft = _draft(subject, subject, key.public_key(), key.public_key())
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    draft = draft.add_extension(_usage(signs_certificates=True), critical=True)
    return Authority(key, draft.sign(key, None))


def issue(authority: Authority, key: Ed25519PublicKey, name: str) -> x509.Certificate:
    """A node's certificate, good for both ends of a connection."""
    issuer = authority.certificate.subject
    draft = _draft(_name(name), issuer, key, authority.key.public_key())
    draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    draft = draft.add_extension(_usage(signs_certificates=False), critical=True)
    names = x509.SubjectAlternativeName([x509.DNSName(certified_name(name))])
    draft = draft.add_extension(names, critical=False)
    ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    draft = draft.add_extension(x509.ExtendedKeyUsage(ends), critical=False)
    return draft.sign(authority.key, None)


def certified_name(node_id: str) -> str:
    """The node id as a name that TLS can check: a DNS label has no more than 63 characters."""
    return f"{node_id[:32]}.{node_id[32:]}.node"


def _draft(
    subject: x509.Name, issuer: x509.Name, key: Ed25519PublicKey, issuer_key: Ed25519PublicKey
) -> x509.CertificateBuilder:
    serial = int.from_bytes(hashlib.sha256(key_bytes(issuer_key) + key_bytes(key)).digest()[:16])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial or 1)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False
        )
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
