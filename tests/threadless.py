"""A machine that allows no more threads."""

import threading

import pytest


def allow_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on none begins."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
