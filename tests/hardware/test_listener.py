"""Who listens on a port, and who has a file open."""

import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from hardware.listener import holder_of, opener_of


def test_who_listens_on_a_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"(process {os.getpid()})" in (holder_of(port) or "")
    assert holder_of(port) is None


def _refuses(error: Exception) -> Callable[..., None]:
    def refused(*_: object) -> None:
        raise error

    return refused


def test_where_only_root_is_told_of_all_at_once_a_program_of_ones_own_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(psutil, "net_connections", _refuses(psutil.AccessDenied()))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert f"(process {os.getpid()})" in (holder_of(taken.getsockname()[1]) or "")


def test_where_nobody_is_told_anything_nobody_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = _refuses(PermissionError(13, "Permission denied"))
    monkeypatch.setattr(psutil, "net_connections", denied)
    monkeypatch.setattr(psutil.Process, "net_connections", denied)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert holder_of(taken.getsockname()[1]) is None


def test_another_program_that_has_a_file_open_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    with file.open("w+") as opened:
        assert opener_of(file) is None
        with subprocess.Popen(["sleep", "60"], stdin=opened) as other:
            try:
                assert opener_of(file) == other.pid
                monkeypatch.setattr(psutil.Process, "open_files", _refuses(psutil.AccessDenied()))
                assert opener_of(file) is None
            finally:
                other.kill()
