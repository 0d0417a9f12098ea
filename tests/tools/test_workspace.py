"""Files are read and written within the root, whichever way they are named."""

import os
import stat
from pathlib import Path

import pytest

from tools.errors import OutsideWorkspace, ToolFailed
from tools.workspace import Workspace


def test_a_file_is_written_with_its_folders_and_read_again(workspace: Workspace) -> None:
    assert not workspace.write("a/b/c.txt", b"one")
    assert workspace.write(f"{workspace.root}/a/b/c.txt", b"two")
    assert workspace.read("a/b/../b/c.txt", most_bytes=9) == b"two"


def test_a_replaced_file_keeps_its_permissions(workspace: Workspace) -> None:
    script = workspace.root / "run.sh"
    script.write_text("old")
    script.chmod(0o750)
    workspace.write("run.sh", b"new")
    assert stat.S_IMODE(script.stat().st_mode) == 0o750


def test_a_link_within_the_workspace_is_followed(workspace: Workspace) -> None:
    workspace.write("real/file.txt", b"old")
    (workspace.root / "folder").symlink_to("real")
    (workspace.root / "file").symlink_to("folder/../real/file.txt")
    assert workspace.read("file", most_bytes=9) == b"old"
    workspace.write("file", b"new")
    assert (workspace.root / "file").is_symlink()
    assert (workspace.root / "real/file.txt").read_bytes() == b"new"
    assert workspace.kind("folder") == "folder"


def test_a_root_that_was_named_by_a_link_is_known_by_both_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "name").symlink_to("real")
    with Workspace(tmp_path / "name") as opened:
        opened.write(str(tmp_path / "name/a.txt"), b"1")
        assert opened.read(str(tmp_path / "real/a.txt"), most_bytes=9) == b"1"


def test_a_failed_write_leaves_nothing_behind(workspace: Workspace) -> None:
    (workspace.root / "folder").mkdir()
    with pytest.raises(ToolFailed, match="no regular file"):
        workspace.write("folder", b"x")
    assert [entry.name for entry in workspace.entries(".")] == ["folder"]


def test_a_file_that_is_too_large_is_refused_unread(workspace: Workspace) -> None:
    workspace.write("large", b"x" * 100)
    with pytest.raises(ToolFailed, match="more than 99 bytes"):
        workspace.read("large", most_bytes=99)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nothing", "there is no nothing"),
        ("a\0b", "zero"),
        ("x" * 5000, "4,096"),
        ("\ud800", "4,0"),
    ],
)
def test_a_path_that_is_none_is_named(workspace: Workspace, path: str, said: str) -> None:
    with pytest.raises(ToolFailed, match=said):
        workspace.read(path, most_bytes=1)
    with pytest.raises(OutsideWorkspace):
        workspace.read("/" + "x" * 9, most_bytes=1)


def test_a_workspace_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="workspace"):
        Workspace(tmp_path / "missing")


def test_entries_tell_what_is_there_and_follow_nothing(workspace: Workspace) -> None:
    workspace.write("b.txt", b"12")
    (workspace.root / "a").mkdir()
    (workspace.root / "c").symlink_to("/etc")
    os.mkfifo(workspace.root / "d")
    kinds = [(entry.name, entry.kind) for entry in workspace.entries(".")]
    assert kinds == [("a", "folder"), ("b.txt", "file"), ("c", "link"), ("d", "other")]
