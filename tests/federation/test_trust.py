"""The secret and its code; a node's key; TLS between real sockets."""

import asyncio
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import assume, given
from hypothesis import strategies as st

from federation import trust
from federation.certificates import issue, make_authority
from federation.trust import (
    OPEN_SECRET,
    Credentials,
    NodeKey,
    decode_code,
    encode_code,
    federation_id,
    new_secret,
    node_id_of,
)
from swarm.errors import ConfigurationError, UntrustedPeer
from tests.federation.disk import no_room_on_disk

SECRETS = st.binary(min_size=16, max_size=16)
HOUSE = bytes(range(16))
STRANGERS = bytes(16)
QUESTION = b"a prompt that only members may read"


# The code


@given(SECRETS)
def test_a_code_gives_its_secret_back(secret):
    assert decode_code(encode_code(secret)) == secret


def test_a_secret_has_the_same_code_and_the_same_id_on_every_machine_and_in_every_version():
    """Those that a person has noted, and that machines of an older version announce."""
    assert encode_code(HOUSE) == "000G4-0R40M-30E20-9185G-R38E1-YP7HB"
    assert federation_id(HOUSE) == "1ea9f5da3695f218"
    assert len(federation_id(HOUSE)) == 16


@given(SECRETS, st.sampled_from([" ", "", "\u2013", "\t- "]), st.booleans())
def test_how_a_code_is_typed_is_no_matter(secret, between, small):
    code = encode_code(secret).replace("-", between)
    code = code.replace("0", "O").replace("1", "l").replace("V", "u")
    assert decode_code(f" {code.lower() if small else code}\n") == secret


@given(SECRETS, st.integers(0, 34), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_a_mistyped_character_is_noticed(secret, at, char):
    code = encode_code(secret)
    assume(code[at] not in (char, "-"))
    with pytest.raises(ConfigurationError, match="a character is wrong"):
        decode_code(code[:at] + char + code[at + 1 :])


@given(st.text())
def test_a_text_that_is_no_code_is_refused_clearly(text):
    with pytest.raises(ConfigurationError, match="join code"):
        decode_code(text)


def test_a_code_of_the_wrong_length_says_how_long_it_must_be():
    with pytest.raises(ConfigurationError, match="29 characters; it must have 30"):
        decode_code(encode_code(HOUSE)[:-1])


def test_a_refusal_names_the_character_and_not_the_code():
    code = encode_code(HOUSE)
    with pytest.raises(ConfigurationError, match="character 7 is '!'") as refused:
        decode_code(code[:7] + "!" + code[8:])
    assert code[:5] not in str(refused.value)


def test_the_code_that_everybody_knows_is_no_code():
    with pytest.raises(ConfigurationError, match="--open"):
        decode_code(encode_code(OPEN_SECRET))


def test_a_new_secret_is_new():
    assert len({new_secret() for _ in range(100)}) == 100


@given(SECRETS, SECRETS)
def test_a_federation_is_known_by_an_id_that_is_not_its_secret(one, other):
    name = federation_id(one)
    assert len(bytes.fromhex(name)) == 8
    assert name not in one.hex()
    assert (name == federation_id(other)) == (one == other)


# Keys and certificates


def test_a_key_is_made_once_and_kept(tmp_path):
    path = tmp_path / "key.pem"
    made = NodeKey.load_or_make(path)
    assert NodeKey.load_or_make(path).node_id == made.node_id
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(made.node_id)) == 32


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
)
def test_a_file_that_is_no_key_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "key.pem"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"key\.pem is not this node's key"):
        NodeKey.load_or_make(path)
    assert path.read_bytes() == content


def test_every_member_makes_the_same_authority():
    one, other = (make_authority(HOUSE, "house").certificate for _ in range(2))
    assert one == other
    assert one != make_authority(STRANGERS, "house").certificate


def test_a_certificate_carries_its_node_id():
    key = NodeKey(Ed25519PrivateKey.generate())
    assert node_id_of(certificate(key, HOUSE).public_bytes(Encoding.DER)) == key.node_id


@given(st.binary(max_size=200))
def test_nonsense_in_a_certificate_is_an_untrusted_peer(garbage):
    with pytest.raises(UntrustedPeer):
        node_id_of(garbage)


def test_a_certificate_for_another_sort_of_key_is_an_untrusted_peer():
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    with pytest.raises(UntrustedPeer, match="Ed25519"):
        node_id_of(made.public_bytes(Encoding.DER))


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("days", [-20_000, -365, -1, 0, 1, 365, 20_000])
def test_a_wrong_clock_breaks_no_certificate(tmp_path, days):
    node = certificate(NodeKey(Ed25519PrivateKey.generate()), HOUSE)
    (tmp_path / "ca.pem").write_bytes(authority_of(HOUSE).public_bytes(Encoding.PEM))
    (tmp_path / "node.pem").write_bytes(node.public_bytes(Encoding.PEM))
    then = max(int((datetime.now(UTC) + timedelta(days=days)).timestamp()), 0)
    command = ["openssl", "verify", "-x509_strict", "-attime", str(then), "-CAfile", "ca.pem"]
    for purpose in ("sslclient", "sslserver"):
        checked = subprocess.run(
            [*command, "-purpose", purpose, "node.pem"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.stdout == "node.pem: OK\n", checked.stderr


def authority_of(secret: bytes) -> x509.Certificate:
    return make_authority(secret, federation_id(secret)).certificate


def certificate(key: NodeKey, secret: bytes) -> x509.Certificate:
    authority = make_authority(secret, federation_id(secret))
    return issue(authority, key.private.public_key(), key.node_id)


# TLS


class Ends:
    """A listening node and a calling one, each with its own key; contexts made before the loop."""

    def __init__(self, folder, server_secret, client_secret):
        self.server_key = NodeKey.load_or_make(folder / "server.pem")
        self.client_key = NodeKey.load_or_make(folder / "client.pem")
        server = Credentials(self.server_key, server_secret, folder)
        self.server = server.server_context()
        self.client = Credentials(self.client_key, client_secret, folder).client_context()
        self.callers: list[str] = []
        self.received = b""

    async def call(self, context: ssl.SSLContext) -> tuple[str, bytes]:
        """The id of the node that was called and its answer to QUESTION."""
        listening = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self.server)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
            try:
                writer.write(QUESTION)
                answer = await asyncio.wait_for(reader.read(100), 5)
                return peer_of(writer), answer
            finally:
                writer.transport.abort()

    async def _answer(self, reader, writer):
        self.received += await reader.read(100)
        self.callers.append(peer_of(writer))
        writer.write(b"an answer")
        writer.close()


def peer_of(writer: asyncio.StreamWriter) -> str:
    return node_id_of(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))


async def assert_gets_nothing(ends: Ends, context: ssl.SSLContext) -> None:
    """In TLS 1.3 a client is connected before it is judged: then it sees an alert or the end."""
    try:
        _, answer = await ends.call(context)
    except (ssl.SSLError, ConnectionError):
        answer = b""
    assert (answer, ends.callers, ends.received) == (b"", [], b"")


@pytest.fixture
def ends(request, tmp_path):
    return Ends(tmp_path, *request.param)


of_one_house = pytest.mark.parametrize("ends", [(HOUSE, HOUSE)], indirect=True)
of_two_houses = pytest.mark.parametrize("ends", [(HOUSE, STRANGERS)], indirect=True)


@of_one_house
async def test_members_connect_and_learn_each_others_id(ends):
    assert await ends.call(ends.client) == (ends.server_key.node_id, b"an answer")
    assert ends.callers == [ends.client_key.node_id]
    assert ends.received == QUESTION


@of_two_houses
async def test_a_node_tells_nothing_to_a_server_of_another_federation(ends):
    with pytest.raises(ssl.SSLCertVerificationError):
        await ends.call(ends.client)
    assert (ends.callers, ends.received) == ([], b"")


@of_two_houses
async def test_a_node_answers_nothing_to_a_client_of_another_federation(ends):
    ends.client.verify_mode = ssl.CERT_NONE  # a rogue that does not care whom it asks
    await assert_gets_nothing(ends, ends.client)


@of_one_house
async def test_a_client_without_a_certificate_gets_nothing(ends):
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    await assert_gets_nothing(ends, bare)


@of_one_house
async def test_older_tls_is_not_spoken(ends):
    ends.client.minimum_version = ssl.TLSVersion.TLSv1_2
    ends.client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await ends.call(ends.client)
    assert (ends.callers, ends.received) == ([], b"")


def test_contexts_leave_no_file_behind_and_no_secret_in_words(tmp_path):
    key = NodeKey.load_or_make(tmp_path / "key.pem")
    credentials = Credentials(key, HOUSE, tmp_path)
    credentials.server_context()
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]
    assert repr(HOUSE) not in repr(credentials)
    assert HOUSE.hex() not in repr(credentials)


def test_contexts_are_made_also_where_the_disk_is_full(tmp_path):
    key = NodeKey.load_or_make(tmp_path / "key.pem")
    with no_room_on_disk():
        context = Credentials(key, HOUSE, tmp_path).client_context()
    assert len(context.get_ca_certs()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_a_full_disk_is_told_where_the_system_shows_no_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr(trust, "_OPEN_FILES", tmp_path / "fd")
    key = NodeKey.load_or_make(tmp_path / "key.pem")
    with no_room_on_disk(), pytest.raises(OSError, match="File too large"):
        Credentials(key, HOUSE, tmp_path).client_context()
