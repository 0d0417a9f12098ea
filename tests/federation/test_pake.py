"""Two ends agree on a key exactly when they have the same PIN and mean each other."""

import pytest

from federation.pake import MESSAGE_BYTES, Channel, Side
from swarm.errors import ProtocolMismatch, UntrustedPeer


def channels(caller_pin="482913", door_pin="482913", meant="door") -> tuple[Channel, Channel]:
    caller, door = Side.caller(caller_pin), Side.door(door_pin)
    assert len(caller.message) == len(door.message) == MESSAGE_BYTES
    return (
        caller.finish(door.message, caller="caller", door=meant),
        door.finish(caller.message, caller="caller", door="door"),
    )


def test_the_same_pin_gives_one_channel():
    caller, door = channels()
    assert caller.proof("begun") == door.proof("begun") != door.proof("joined")
    assert door.open(caller.seal(b"the secret")) == b"the secret"


@pytest.mark.parametrize("apart", [{"door_pin": "482914"}, {"meant": "another door"}])
def test_another_pin_or_another_machine_gives_another_channel(apart):
    caller, door = channels(**apart)
    assert caller.proof("begun") != door.proof("begun")
    with pytest.raises(UntrustedPeer):
        door.open(caller.seal(b"the secret"))


def test_a_changed_byte_is_noticed():
    caller, door = channels()
    sealed = bytearray(caller.seal(b"the secret"))
    sealed[3] ^= 1
    with pytest.raises(UntrustedPeer):
        door.open(bytes(sealed))


def test_a_channel_hides_its_key():
    caller, _ = channels()
    assert repr(caller) == "Channel()"


NONSENSE = [
    b"",
    b"A",
    b"Q" * 33,
    b"A" + bytes(32),
    b"A\x01" + bytes(31),
    b"A\x02" + bytes(31),
    b"A" + b"\xff" * 32,
    b"A" + bytes(99),
]


@pytest.mark.parametrize("message", NONSENSE)
def test_nonsense_is_a_mismatch(message):
    with pytest.raises(ProtocolMismatch):
        Side.door("482913").finish(message, caller="caller", door="door")


def test_a_mirror_is_a_mismatch():
    side = Side.caller("482913")
    with pytest.raises(ProtocolMismatch):
        side.finish(b"B" + side.message[1:], caller="caller", door="door")
