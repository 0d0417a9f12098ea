"""A download in a process of its own, from a server that speaks the hub's protocol."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from swarm.errors import ConfigurationError
from swarm.models.bringing import brought
from swarm.models.hub import Hub
from swarm.models.wanted import Moved, Unreachable
from tests.swarm.models.hubs import DATA, WANTED, FakeHub, serving

LARGE = DATA * 22
ENVIRONMENT: Mapping[str, str] = {**os.environ, "HF_HUB_DISABLE_XET": "1"}


def large() -> FakeHub:
    return FakeHub(data=LARGE, named_sum=hashlib.sha256(LARGE).hexdigest())


async def bring(hub: Hub, moved: Moved = int) -> Path:
    return await brought(WANTED, hub, moved, environment=ENVIRONMENT)


async def test_a_model_is_brought_and_how_far_it_is_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    fake = large()
    fake.pause_s = 0.01
    async with serving(fake) as endpoint:
        path = await bring(Hub(tmp_path, endpoint, token="secret"), told.append)
    assert path.read_bytes() == LARGE
    assert told == sorted(told)
    assert 0 < told[-1] <= len(LARGE)
    assert set(fake.tokens) == {"Bearer secret"}


async def test_who_ends_it_can_go_on_with_it_later(tmp_path: Path) -> None:
    fake = large()
    fake.pause_s = 0.01
    begun = asyncio.Event()

    def moved(count: int) -> None:
        if count > 10 << 20:
            begun.set()

    async with serving(fake) as endpoint:
        hub = Hub(tmp_path, endpoint)
        task = asyncio.create_task(bring(hub, moved))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        fake.pause_s = 0
        assert (await bring(hub)).read_bytes() == LARGE
    assert fake.ranges[0] == ""
    assert int(fake.ranges[-1].removeprefix("bytes=").rstrip("-")) >= 10 << 20


async def test_what_it_logs_is_logged_by_the_node(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.WARNING, "swarm")
    async with serving(FakeHub(cut=1)) as endpoint:
        await bring(Hub(tmp_path, endpoint))
    assert caplog.messages == ["mine:1b:4bit: 127.0.0.1 broke off; asking again"]
    assert capfd.readouterr().err == ""


async def test_a_full_disk_a_wrong_sum_and_a_refusal_are_told(tmp_path: Path) -> None:
    async with serving(FakeHub()) as endpoint:
        with pytest.raises(ConfigurationError, match="make room there"):
            await bring(Hub(tmp_path, endpoint, spare_bytes=1 << 60))
    async with serving(FakeHub(named_sum="0" * 64)) as endpoint:
        with pytest.raises(ConfigurationError, match="not what the hub has"):
            await bring(Hub(tmp_path, endpoint))
    async with serving(FakeHub(refuse=(404, {"X-Error-Code": "EntryNotFound"}))) as endpoint:
        with pytest.raises(ConfigurationError, match="no file"):
            await bring(Hub(tmp_path, endpoint))


async def test_no_way_to_the_hub_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="cannot be reached"):
        await bring(Hub(tmp_path, "http://127.0.0.1:1"))
    with pytest.raises(Unreachable, match="offline mode is on"):
        await bring(Hub(tmp_path, offline=True))


async def test_a_process_that_dies_is_no_model(tmp_path: Path) -> None:
    hub = Hub(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="ended"):
        await brought(
            replace(WANTED, repository="no place"), hub, int, environment={"PYTHONHOME": "/nowhere"}
        )


async def test_a_process_that_says_something_else_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello')")
    with pytest.raises(ConfigurationError, match="not understood"):
        await brought(
            WANTED,
            Hub(tmp_path, "http://127.0.0.1:1"),
            int,
            environment={**ENVIRONMENT, "PYTHONPATH": str(tmp_path)},
        )
