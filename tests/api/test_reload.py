"""A changed settings file is in force at once, and no stream ends for it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.entrance import Entrance
from api.joining import offered
from api.keyring import read_key
from api.reload import Changes, LiveSettings
from api.welcome import KEYLESS_WARNING
from guard import Refusal
from settings import Settings, read_settings, toml_stamp
from swarm.pool import Pool, ServedModel
from tests.fakes import FakeEngine
from tests.waiting import until


@pytest.fixture
async def entrance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Entrance:
    monkeypatch.chdir(tmp_path)
    settings = Settings.model_validate({"state": tmp_path})
    return await asyncio.to_thread(Entrance.of, settings)


@pytest.fixture
def pool() -> Pool:
    return Pool([ServedModel("fake", FakeEngine(), 0)])


@pytest.fixture
async def live(pool: Pool, entrance: Entrance) -> AsyncIterator[LiveSettings]:
    async with watching(pool, entrance) as live:
        yield live


@contextlib.asynccontextmanager
async def watching(pool: Pool, entrance: Entrance) -> AsyncGenerator[LiveSettings]:
    live = await started(pool, entrance)
    async with live:
        yield live


async def started(pool: Pool, entrance: Entrance) -> LiveSettings:
    """With the settings read, not yet watching."""

    def read() -> Settings:
        return read_settings(["--state", str(Path.cwd())])

    stamp = await asyncio.to_thread(toml_stamp)
    settings = await asyncio.to_thread(read)
    return LiveSettings(settings, stamp, read, pool, entrance, poll_s=0.05)


async def write(folder: Path, text: str) -> None:
    await asyncio.to_thread((folder / "swarm.toml").write_text, text)


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> None:
    await until(lambda: text in caplog.text)


async def test_keys_and_weights_hold_at_once(
    live: LiveSettings,
    pool: Pool,
    entrance: Entrance,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    shown = ["Bearer sk-phone-1234"]
    await write(tmp_path, '[keys]\nphone = "sk-phone-1234"\n[vote.weights]\nbig = 3\n')
    await logged(caplog, "vote, keys, in force now")
    assert not isinstance(entrance.keyring.caller(shown), Refusal)
    assert isinstance(entrance.keyring.caller(["Bearer none"]), Refusal)
    assert pool.weights.models == {"big": 3}
    await write(tmp_path, '[keys]\nphone = "sk-another-1234"\n')
    await logged(caplog, "swarm.toml has changed: vote, keys")
    await until(lambda: isinstance(entrance.keyring.caller(shown), Refusal))
    assert "sk-" not in caplog.text


async def test_a_change_between_the_reading_and_the_watching_is_taken(
    pool: Pool, entrance: Entrance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await write(tmp_path, "[vote.weights]\nbig = 2\n")
    live = await started(pool, entrance)
    await write(tmp_path, "[vote.weights]\nbig = 13\n")
    async with live:
        await logged(caplog, "vote, in force now")
    assert pool.weights.models == {"big": 13}


async def test_a_file_that_stays_as_it_is_is_not_read_again(
    pool: Pool, entrance: Entrance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    # That others can read it is said once, at start.
    await write(tmp_path, '[keys]\nphone = "sk-phone-1234"\n')
    await asyncio.to_thread((tmp_path / "swarm.toml").chmod, 0o644)
    async with watching(pool, entrance):
        await asyncio.sleep(0.3)
    assert not caplog.text


async def test_with_which_models_it_votes_for_peers_holds_at_once(
    live: LiveSettings, pool: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert [offer.model for offer in offered(pool, live.settings.vote)] == ["fake"]
    await write(tmp_path, '[vote]\nfor_peers = ["another"]\n')
    await logged(caplog, "vote, in force now")
    assert offered(pool, live.settings.vote) == ()


async def test_where_keys_go_while_others_may_come_in_the_log_says_what_holds(
    pool: Pool, entrance: Entrance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    beyond = replace(entrance, where=replace(entrance.where, beyond=True))
    file = tmp_path / "api-key"
    await write(tmp_path, '[keys]\nphone = "sk-phone-1234"\n')
    async with watching(pool, beyond):
        await write(tmp_path, "")
        await logged(caplog, f"was made just now and is in {file}")
        key = await asyncio.to_thread(read_key, file)
        assert not isinstance(entrance.keyring.caller([f"Bearer {key}"]), Refusal)
        await write(tmp_path, "keyless = true\n")
        await logged(caplog, KEYLESS_WARNING)
        await write(tmp_path, "")
        await logged(caplog, f"the key that is in {file}")
    assert key is not None
    assert key not in caplog.text


async def test_what_a_key_has_used_is_not_forgotten(
    live: LiveSettings, entrance: Entrance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    text = '[keys.phone]\nkey = "sk-phone-1234"\nrequests_per_minute = 1\n'
    await write(tmp_path, text)
    await logged(caplog, "in force now")
    caller = entrance.keyring.caller(["Bearer sk-phone-1234"])
    assert not isinstance(caller, Refusal)
    assert caller.meter.admit(caller.clock()) == 0
    caplog.clear()
    await write(tmp_path, text + 'models = ["swarm"]\n')
    await logged(caplog, "in force now")
    again = entrance.keyring.caller(["Bearer sk-phone-1234"])
    assert not isinstance(again, Refusal)
    assert again.models == ("swarm",)
    assert again.meter.admit(again.clock()) > 0


async def test_a_wrong_file_changes_nothing_and_is_named_once(
    live: LiveSettings, entrance: Entrance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await write(tmp_path, "prot = 1\n")
    await logged(caplog, "swarm.toml has changed and is not used")
    await asyncio.sleep(0.2)
    assert caplog.text.count("is not used") == 1
    assert not isinstance(entrance.keyring.caller([]), Refusal)


async def test_after_a_reading_that_nobody_foresaw_the_next_change_is_taken(
    pool: Pool, entrance: Entrance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await write(tmp_path, '[keys]\na = "sk-phone-1234"\nb = "sk-other-1234"\n')
    live = await started(pool, entrance)
    entrance.keyring.hold(live.settings.keys)
    read, surprises = live._read, [RecursionError("deep")]

    def reading() -> Settings:
        if surprises:
            raise surprises.pop()
        return read()

    live._read = reading
    async with live:
        await write(tmp_path, "[keys]\n")
        await logged(caplog, "RecursionError: deep")
        assert not isinstance(entrance.keyring.caller(["Bearer sk-other-1234"]), Refusal)
        await write(tmp_path, '[keys]\na = "sk-phone-1234"\n')
        await logged(caplog, "in force now")
        assert isinstance(entrance.keyring.caller(["Bearer sk-other-1234"]), Refusal)


def test_a_file_is_read_when_it_stands_still_and_once() -> None:
    changes = Changes("old")
    looks = ["old", "emptied", "half", "new", "new", "new", "gone", "new", "new", "newer", "newer"]
    assert [changes.whole(look) for look in looks] == [
        *(False, False, False, False, True, False, False, False, False, False, True)
    ]


async def test_what_needs_a_new_start_is_said(
    live: LiveSettings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await write(tmp_path, "ctx = 4096\n")
    await logged(caplog, "ctx, after the next start")
