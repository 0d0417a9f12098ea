"""Files that are written whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from private_files import append_private, make_private_folder, replace_file, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_private_is_its_owners_only(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    make_private_folder(folder)
    make_private_folder(folder)
    (folder / "key").write_text("old")
    write_private(folder / "key", b"new")
    assert (mode(folder), mode(folder / "key")) == (0o700, 0o600)
    assert (folder / "key").read_bytes() == b"new"


def test_a_file_that_is_no_secret_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "known").touch(mode=0o640)
    for name, expected in (("known", 0o640), ("fresh", 0o644)):
        replace_file(tmp_path / name, b"new")
        assert mode(tmp_path / name) == expected
        assert (tmp_path / name).read_bytes() == b"new"


def test_what_is_added_stands_after_what_is_there(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        append_private(tmp_path / "lines", line)
    assert (tmp_path / "lines").read_bytes() == b"one\ntwo\n"
    assert mode(tmp_path / "lines") == 0o600


def test_a_disk_that_takes_only_a_part_is_told_as_full(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        append_private(tmp_path / "lines", b"one\n")
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            append_private(tmp_path / "lines", b"two\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_it_cannot_be_written_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_private(tmp_path / "folder", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
