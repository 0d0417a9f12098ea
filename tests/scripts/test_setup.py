import subprocess
import sys

import pytest

from scripts import setup
from scripts.setup import missing, sees_system, wants_mlx


@pytest.mark.parametrize(
    ("choice", "system", "machine", "wanted"),
    [
        ("auto", "Darwin", "arm64", True),
        ("auto", "Darwin", "x86_64", False),
        ("auto", "Linux", "aarch64", False),
        ("yes", "Linux", "x86_64", True),
        ("no", "Darwin", "arm64", False),
    ],
)
def test_mlx_comes_by_itself_on_apple_silicon_only(choice, system, machine, wanted):
    assert wants_mlx(choice, system, machine) is wanted


@pytest.mark.parametrize(
    ("platform", "again"),
    [
        ("darwin", "make PYTHON=python3.12"),
        ("linux", "make PYTHON=python3.12"),
        ("win32", r"py -3.12 scripts\setup.py"),
    ],
)
def test_an_old_python_is_told_how_to_go_on(platform, again):
    told = f"Python 3.11 or newer is needed, this is 3.9.6: install one and run {again}"
    assert missing((3, 9, 6), platform) == told


def test_a_python_that_is_new_enough_lacks_nothing():
    assert missing((3, 11, 0), "linux") is None


def test_only_termux_lends_its_packages_to_the_environment():
    assert [sees_system(each) for each in ("android", "linux", "darwin", "win32")] == [
        True,
        False,
        False,
        False,
    ]


def test_where_pip_fails_a_sentence_says_what_may_be_missing(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["setup.py", "--runtime", "--mlx", "no"])
    monkeypatch.setattr(setup, "STAMP", tmp_path / "installed-lock")
    monkeypatch.setattr(setup, "make_venv", lambda: None)
    monkeypatch.setattr(subprocess, "call", lambda command, **_: int("pip" in command))
    assert setup.main() == 1
    told = capsys.readouterr().err
    assert told.startswith("setup: pip could not install what runtime.lock lists")
    assert "Rust" in told
    assert not setup.STAMP.exists()
