"""What is printed, and for whom: a pipe whose reader has left, a full disk, no output at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import main

ROOT = Path(main.__file__).parent
SAYS = """
import logging
from api.output import prepare_streams, say
from settings import Settings
prepare_streams()
logging.basicConfig(format="%(message)s")
say(Settings(), "one")
say(Settings(), "two")
"""


def logged(redirected: str) -> str:
    """What is logged where two things are said on a standard output as a shell makes it."""
    line = ["sh", "-c", f'exec "$@" {redirected}', "sh", sys.executable, "-c", SAYS]
    done = subprocess.run(line, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True)
    return done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_what_cannot_be_written_is_logged_once_and_the_program_goes_on() -> None:
    [line] = logged(">/dev/full").splitlines()
    assert line.startswith("standard output cannot be written ([Errno 28]")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8:strict"])
def test_a_name_that_the_output_has_no_letters_for_is_printed_all_the_same(encoding: str) -> None:
    code = f"{SAYS}say(Settings(), 'caf\\udce9 \\u6a21')"  # a file's name in Latin-1, a Chinese one
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    last = done.stdout.splitlines()[-1]
    assert last in (b"caf\\udce9 \\u6a21", "caf\\udce9 \u6a21".encode())


def test_without_a_standard_output_nothing_is_printed() -> None:
    assert logged(">&-") == ""
    assert logged("<&- >&- 2>&-") == ""
