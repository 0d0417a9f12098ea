"""Folders that the user of a test may not look into, whoever runs the tests."""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import pytest

_VERSION_3 = 0x20080522
_OVERRIDES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: with them no mode closes a folder."""


@contextmanager
def without_privileges() -> Generator[None]:
    """Root may look into everything: in this block, and in threads that begin there, it may look
    into what modes allow it.
    """
    if not hasattr(os, "geteuid"):
        pytest.skip("Windows closes no folder by its mode")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root may look into everything")
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    had = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, had) == 0, os.strerror(ctypes.get_errno())
    less = type(had)(had[0] & ~_OVERRIDES, *had[1:])
    assert libc.capset(header, less) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        assert libc.capset(header, had) == 0, os.strerror(ctypes.get_errno())
