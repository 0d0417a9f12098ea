from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.advertisement import (
    PROTOCOL,
    Advertisement,
    check_name,
    decode_txt,
    encode_txt,
    instance_name,
    is_instance_name,
    machine_of,
)
from swarm.errors import ProtocolMismatch
from tests.federation.sightings import advertisement, node_id

HEX16 = st.text("0123456789abcdef", min_size=16, max_size=16)
PORTS = st.integers(0, 65535)


@given(st.builds(Advertisement, st.just(PROTOCOL), HEX16, HEX16, PORTS, PORTS))
def test_what_is_said_is_what_is_heard(said: Advertisement) -> None:
    assert decode_txt(encode_txt(said)) == said


@given(st.dictionaries(st.binary(max_size=8), st.none() | st.binary(max_size=40), max_size=20))
def test_whatever_comes_is_an_advertisement_or_a_protocol_mismatch(txt: dict) -> None:
    fields = encode_txt(advertisement(1)) | txt
    with suppress(ProtocolMismatch):
        assert decode_txt(fields).protocol == PROTOCOL


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("node", b"0123456789ABCDEF"),
        ("node", b"0123456789abcde"),
        ("fed", b"0123456789abcdef0"),
        ("fed", None),
        ("port", b"65536"),
        ("port", b"-1"),
        ("port", b"080"),
        ("port", b"\xd9\xa1"),
        ("pair", b""),
        ("pair", b"1\n"),
        ("v", b"one"),
    ],
)
def test_a_wrong_field_is_named(key: str, value: bytes | None) -> None:
    with pytest.raises(ProtocolMismatch, match=f"field {key} "):
        decode_txt(encode_txt(advertisement(1)) | {key.encode(): value})


def test_another_version_is_said_before_its_fields_are_read() -> None:
    with pytest.raises(ProtocolMismatch, match="it speaks protocol 7, this node 1"):
        decode_txt({b"v": b"7", b"something": b"new"})


def test_a_field_of_the_future_is_passed_over_and_too_many_are_refused() -> None:
    fields = encode_txt(advertisement(1))
    assert decode_txt(fields | {b"colour": b"blue"}) == advertisement(1)
    with pytest.raises(ProtocolMismatch, match="25 fields"):
        decode_txt(fields | {b"x%d" % number: b"" for number in range(20)})


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("kitchen", "kitchen"),
        ("Kitchen.local", "kitchen"),
        ("Büro PC", "b-ro-pc"),
        ("---", "node"),
        ("", "node"),
        ("x" * 80, "x" * 40),
        ("y" * 39 + "--z", "y" * 39),
    ],
)
def test_a_machine_is_announced_under_a_safe_name(host: str, name: str) -> None:
    assert instance_name(host, node_id(1)) == f"{name}-{node_id(1)[:8]}"
    assert machine_of(instance_name(host, node_id(1))) == name


@given(st.text(max_size=100))
def test_every_host_name_gives_a_name_that_others_accept(host: str) -> None:
    name = instance_name(host, node_id(1))
    assert is_instance_name(name)
    assert len(name.encode()) < 63
    check_name(name, advertisement(1))


@pytest.mark.parametrize(
    "name", ["kitchen", "kit chen-01234567", "a\x1b[31m-01234567", "-01234567"]
)
def test_a_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(ProtocolMismatch, match="not a machine's name"):
        check_name(name, advertisement(1))


def test_a_name_with_another_node_s_id_is_refused() -> None:
    with pytest.raises(ProtocolMismatch, match="do not belong together"):
        check_name(instance_name("kitchen", node_id(2)), advertisement(1))
