"""Folders that the user of a test may not look into, whoever runs the tests."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def open_to_all() -> Generator[Path]:
    """A new folder that every user may look into; it is gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def without_privileges() -> Generator[None]:
    """Root may look into everything: for this block it is somebody else."""
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows closes no folder by its mode")
    before = os.geteuid()
    if before == 0:
        os.seteuid(12345)
    try:
        yield
    finally:
        os.seteuid(before)
