"""What is remembered between two starts, and what is said when it cannot be read."""

import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.store import MOST_PAST, Membership, Store
from federation.trust import new_secret
from swarm.errors import ConfigurationError
from tests.federation.disk import no_room_on_disk

SECRET = bytes(range(16))
ZEROS = b"0" * 32
NODE_IDS = st.binary(min_size=32, max_size=32).map(bytes.hex)
MEMBERSHIPS = st.builds(
    Membership,
    st.binary(min_size=16, max_size=16),
    st.lists(NODE_IDS, max_size=3).map(tuple),
    st.booleans(),
    st.lists(st.binary(min_size=16, max_size=16), max_size=MOST_PAST).map(tuple),
)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "share" / "node")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("kept"))


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@settings(max_examples=20, deadline=None)  # each waits for the disk
@given(membership=MEMBERSHIPS)
def test_what_is_saved_is_loaded(kept, membership):
    kept.save(membership)
    assert Store(kept.folder).load() == membership


def test_a_new_node_is_in_no_federation(store):
    assert store.load() is None


def test_only_the_owner_can_read(store):
    store.save(Membership(SECRET))
    store.key()
    assert mode(store.folder) == 0o700
    assert {path.name: mode(path) for path in store.folder.iterdir()} == {
        "federation.json": 0o600,
        "key.pem": 0o600,
    }


def test_who_leaves_keeps_its_key(store):
    node_id = store.key().node_id
    store.save(Membership(SECRET))
    store.forget()
    store.forget()
    assert store.load() is None
    assert store.key().node_id == node_id


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "Invalid JSON"),
        (b'{"version": 1, "secret": "', "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "the file"),
        (b'{"version": 2, "secret": "00", "members": [], "founded_alone": true}', "version"),
        (b'{"version": 1, "secret": "c0ffee", "members": [], "founded_alone": true}', "secret"),
        (
            b'{"version": 1, "secret": "%s", "members": ["x"], "founded_alone": true}'
            % (b"0" * 32),
            "members.0",
        ),
        (b'{"version": 1, "secret": "%s", "members": []}' % ZEROS, "founded_alone"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(store, content, complaint):
    (store.folder / "federation.json").write_bytes(content)
    with pytest.raises(ConfigurationError, match="delete it and join again") as refused:
        store.load()
    assert complaint in str(refused.value)
    assert "federation.json is damaged" in str(refused.value)
    assert "c0ffee" not in str(refused.value)


def test_a_full_disk_leaves_what_was_there(store):
    store.save(Membership(SECRET))
    with no_room_on_disk(), pytest.raises(OSError, match="File too large"):
        store.save(Membership(new_secret()))
    assert store.load() == Membership(SECRET)
    assert [path.name for path in store.folder.iterdir()] == ["federation.json"]


def test_the_codes_of_the_past_are_remembered_and_bounded():
    membership = Membership(SECRET, founded_alone=True)
    for code in range(20):
        membership = membership.renewed(bytes([code]) * 16, ["a" * 64])
    assert membership.past == tuple(bytes([code]) * 16 for code in range(18, 18 - MOST_PAST, -1))
    assert (membership.members, membership.founded_alone) == (("a" * 64,), False)


def test_a_secret_is_not_in_the_words_for_a_membership():
    secret = new_secret()
    assert repr(secret) not in repr(Membership(secret))
