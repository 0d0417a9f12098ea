"""What stands on disk of a membership, and what is said where the disk takes none."""

import asyncio
import logging
from pathlib import Path

import pytest

from federation.memory import Memory
from federation.store import Membership, Store
from federation.trust import new_secret
from swarm.errors import ConfigurationError
from tests.federation.disk import no_room_on_disk

OLD, NEW, NEWEST = (Membership(new_secret()) for _ in range(3))


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """Of a node that was in OLD when it ended."""
    Store(tmp_path).save(OLD)
    return Memory(tmp_path)


async def test_what_is_on_disk_already_is_not_written_again(memory: Memory) -> None:
    with no_room_on_disk():
        await memory.keep(OLD)
    assert memory.trouble is None


async def test_what_found_no_room_is_told_once_and_written_later(
    memory: Memory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with no_room_on_disk():
        await memory.keep(NEW)
        await memory.keep(NEWEST)
    assert str(memory.folder) in (memory.trouble or "")
    for _ in range(2):
        await memory.catch_up()
    assert memory.trouble is None
    assert (await asyncio.to_thread(Memory, memory.folder)).stored == NEWEST
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_folder_that_cannot_be_one_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/node: .*--state DIR"):
        Memory(tmp_path / "file" / "node")
