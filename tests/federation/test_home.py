"""Who lives in a state folder."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from federation import home
from federation.home import LOCK_FILE, lived_in
from swarm.errors import ConfigurationError
from tests.federation.disk import no_room_on_disk

ROOT = Path(home.__file__).parents[1]
LIVES = """
import asyncio, sys
from pathlib import Path
from federation.home import lived_in

async def live():
    async with lived_in(Path(sys.argv[1])):
        print("lives", flush=True)
        sys.stdin.read()

asyncio.run(live())
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another node that lives in the folder."""
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = [sys.executable, "-c", LIVES, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"lives"
        yield process
        process.kill()


async def test_two_nodes_cannot_live_in_one_folder(
    other: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="--state DIR") as refused:
        await lived_in(tmp_path).__aenter__()
    assert f"another node (process {other.pid}) lives in {tmp_path}" in str(refused.value)
    async with lived_in(tmp_path / "another"):
        assert (tmp_path / "another" / LOCK_FILE).exists()


async def test_a_folder_is_free_however_its_node_has_ended(
    other: subprocess.Popen[bytes], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other.kill()
    await asyncio.to_thread(other.wait)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            async with lived_in(tmp_path):
                raise ZeroDivisionError
    assert not caplog.records


async def test_one_lives_also_where_nothing_can_be_written_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with lived_in(tmp_path):
        pass
    as_it_was = os.open

    def refused(path: Any, flags: int, *mode: int, **options: Any) -> int:
        """As on a file system that is read-only."""
        if flags & (os.O_RDWR | os.O_CREAT) and str(path).startswith(str(tmp_path)):
            raise OSError(errno.EROFS, "Read-only file system")
        return as_it_was(path, flags, *mode, **options)

    monkeypatch.setattr(os, "open", refused)
    async with lived_in(tmp_path):
        with pytest.raises(ConfigurationError, match="another node lives in"):
            await lived_in(tmp_path).__aenter__()
    assert not caplog.records


async def test_a_full_disk_keeps_nobody_out(tmp_path: Path) -> None:
    with no_room_on_disk():
        async with lived_in(tmp_path):
            pass


async def test_a_file_system_without_locks_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(_: int, *, blocking: bool) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(home, "lock_descriptor", none)
    async with lived_in(tmp_path):
        pass
    [said] = caplog.messages
    assert said == f"whether another node lives in {tmp_path} cannot be seen: No locks available"


async def test_a_folder_that_cannot_be_made_is_told_of_by_who_writes_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    async with lived_in(tmp_path / "file" / "node"):
        assert not caplog.records
