"""Keys without a door: what they limit, what a file of one may hold."""

from pathlib import Path

import pytest

from api.keyring import ANYONE, Caller, Keyring, own_key, read_key, write_key
from guard import Refusal
from settings import KeySettings, Settings
from swarm.errors import ConfigurationError

KEY = "sk-phone-12345"


def held(keyring: Keyring, **limits: int) -> Caller:
    keyring.hold({"phone": KeySettings.model_validate({"key": KEY, **limits})})
    caller = keyring.caller([f"Bearer {KEY}"])
    assert isinstance(caller, Caller)
    return caller


def test_the_tokens_of_a_key_are_limited_too() -> None:
    now = [0.0]
    caller = held(Keyring(clock=lambda: now[0]), tokens_per_minute=600)
    assert caller.meter.limits() == {"tokens_per_minute": 600}
    assert caller.meter.admit(0.0) == 0
    caller.has_read(400)
    caller.has_written(500)
    assert caller.meter.admit(0.0) == 31
    now[0] = 31.0
    assert caller.meter.admit(31.0) == 0


def test_what_a_key_has_used_outlives_new_keys_and_its_new_limits_hold_at_once() -> None:
    keyring = Keyring(clock=lambda: 0.0)
    caller = held(keyring, requests_per_minute=1)
    assert [caller.meter.admit(0.0), caller.meter.admit(0.0)] == [0, 60]
    again = held(keyring, requests_per_minute=1)
    assert again.meter.admit(0.0) == 60
    wider = held(keyring, requests_per_minute=2, tokens_per_minute=9)
    assert wider.meter.limits() == {"requests_per_minute": 2, "tokens_per_minute": 9}
    assert wider.meter.requests == 1
    assert held(keyring).meter.limits() == {}


def test_without_keys_anybody_enters_and_with_one_nobody_else() -> None:
    keyring = Keyring()
    caller = keyring.caller([])
    assert isinstance(caller, Caller)
    assert (caller.name, caller.has_key, caller.may_run_tools) == (ANYONE, False, True)
    held(keyring)
    assert isinstance(keyring.caller([]), Refusal)
    assert isinstance(keyring.caller(["Bearer sk-other-12345"]), Refusal)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("12345678", True),
        ("1234567", False),
        ("x" * 512, True),
        ("x" * 513, False),
        (f" {KEY}\n", True),
        ("two lines\nof text", False),
        ("sk-\x00-12345678", False),
        ("", False),
    ],
)
def test_a_key_is_8_to_512_printed_characters(tmp_path: Path, text: str, right: bool) -> None:
    file = tmp_path / "api-key"
    file.write_text(text)
    if right:
        assert read_key(file) == text.strip()
    else:
        with pytest.raises(ConfigurationError, match="holds no key"):
            read_key(file)


def test_a_key_that_is_no_text_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "api-key"
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(ConfigurationError, match="holds no key"):
        read_key(file)


def test_a_file_for_a_key_that_cannot_be_used_is_told_of_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "api-key"
    file.mkdir()
    refused = pytest.raises(ConfigurationError, match=r"api-key cannot be .*--state DIR")
    with refused as reading:
        read_key(file)
    with refused as writing:
        write_key(file, KEY)
    for told in (reading, writing):
        assert "Errno" not in str(told.value)


def test_a_machines_own_key_is_the_one_that_was_given_then_the_owners_then_the_made(
    tmp_path: Path,
) -> None:
    plain = Settings(state=tmp_path)
    assert own_key(plain) is None
    write_key(tmp_path / "api-key", KEY)
    assert own_key(plain) == KEY
    keys = {"phone": KeySettings.model_validate({"key": "sk-owner-12345"})}
    owners = plain.model_copy(update={"keys": keys})
    assert own_key(owners) == "sk-owner-12345"
    given = Settings.model_validate({"state": tmp_path, "key": "sk-given-12345"})
    assert own_key(given.model_copy(update={"keys": keys})) == "sk-given-12345"
