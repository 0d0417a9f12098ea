"""Folders that are there, and those that are as good as none."""

from pathlib import Path

import pytest

from swarm.places import may_look_into
from tests.closed import without_privileges


def test_what_is_no_folder_is_none_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert may_look_into(tmp_path)
    assert not may_look_into(tmp_path / "file")
    assert not may_look_into(tmp_path / "nowhere" / "below")
    assert caplog.messages == []


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444])
def test_a_folder_that_only_others_may_look_into_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(mode)
    with without_privileges():
        assert not may_look_into(closed)
    [line] = caplog.messages
    assert f"may not look into {closed} (Permission denied)" in line
