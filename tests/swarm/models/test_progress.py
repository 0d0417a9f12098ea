"""How far a model on its way is: a bar for a person, few lines for a log."""

import io
import logging
import sys
import threading

import pytest
from tqdm.std import tqdm

from swarm.models.progress import Bar, aside, shown

GIB = 1 << 30


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_lock_of_bars_is_one_of_threads() -> None:
    """One of processes would start another for itself, from Python 3.14 on."""
    assert tqdm.get_lock() is Bar.get_lock()
    assert isinstance(Bar.get_lock(), type(threading.RLock()))


def test_a_log_gets_a_line_at_each_quarter(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with shown("coder:7b:4bit", 4 * GIB) as moved:
        for tenth in range(41):
            moved(tenth * GIB // 10)
    assert [record.getMessage() for record in caplog.records] == [
        f"coder:7b:4bit: {quarter}.0 GiB of 4.0 GiB are here" for quarter in (1, 2, 3)
    ]


def test_what_has_no_known_size_is_said_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with shown("coder:7b:4bit", None) as moved:
        moved(GIB)
    assert caplog.records == []


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with shown("coder:7b:4bit", 4 * GIB) as moved:
        moved(GIB)
        moved(3 * GIB)
    assert "coder:7b:4bit" in terminal.getvalue()
    assert "4.29G" in terminal.getvalue()
    assert caplog.records == []


def test_what_is_printed_stands_on_a_line_of_its_own_and_the_bar_below_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(sys, "stdout", screen)
    with shown("coder:7b:4bit", 4 * GIB) as moved:
        moved(GIB)
        with aside():
            print("join with the PIN 123 456")
        before, _, after = screen.getvalue().partition("join with the PIN 123 456\n")
    assert before.endswith("\r")
    assert "coder:7b:4bit" in after
