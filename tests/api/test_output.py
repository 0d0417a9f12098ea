"""What is printed, and for whom: a pipe whose reader has left, a full disk, no output at all."""

import subprocess
import sys
from pathlib import Path

import pytest

import main

ROOT = Path(main.__file__).parent
SAYS = """
import logging
from api.output import open_streams, say
from settings import Settings
open_streams()
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


def test_without_a_standard_output_nothing_is_printed() -> None:
    assert logged(">&-") == ""
    assert logged("<&- >&- 2>&-") == ""
