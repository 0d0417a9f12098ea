"""The guards themselves: a suite whose every test breaks one rule, and fails for it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

BREACHES = """
import asyncio, subprocess, sys, threading, time, warnings

import pytest

import hardware


async def test_blocks_the_loop():
    code = compile("import time; time.sleep(0.01)", hardware.__path__[0] + "/x.py", "exec")
    exec(code)


async def test_leaves_a_task():
    test_leaves_a_task.task = asyncio.create_task(asyncio.sleep(60))


def test_leaves_a_thread():
    threading.Thread(target=time.sleep, args=(6,), daemon=True).start()


def test_leaves_a_process():
    test_leaves_a_process.child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)


def test_warns():
    warnings.warn("a thing will go away", DeprecationWarning)


@pytest.mark.needs("a-thing-that-nobody-has")
def test_needs_what_is_not_here():
    pass


async def test_leaves_nothing():
    await asyncio.sleep(0)
"""


def test_each_breach_fails(tmp_path: Path) -> None:
    conftest = (ROOT / "tests/conftest.py").read_text()
    conftest = conftest.replace("NEEDS = {", 'NEEDS = {"a-thing-that-nobody-has": lambda: False,')
    (tmp_path / "conftest.py").write_text(conftest.replace("GRACE_S = 15.0", "GRACE_S = 0.1"))
    (tmp_path / "test_breaches.py").write_text(BREACHES)
    assert "2 failed, 4 passed, 1 skipped, 3 errors" in _outcome(tmp_path, ci="")
    assert "2 failed, 4 passed, 4 errors" in _outcome(tmp_path, ci="true")


def _outcome(folder: Path, ci: str) -> str:
    options = (
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(folder),
        "-p",
        "no:cacheprovider",
    )
    # What is measured in it would be taken for ours.
    environ = {name: os.environ[name] for name in os.environ if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options, str(folder)],
        cwd=ROOT,
        env={**environ, "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout
