"""What others say, as it may stand on a screen."""

import pytest

from printable import printable


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("its context is full", "its context is full"),
        ("  two\r\nlines\x1c of\u3000words ", "two lines of words"),
        ("\x1b[2J\x9b31m\x07", "\ufffd[2J\ufffd31m\ufffd"),
        ("\u202eback\ud800", "\ufffdback\ufffd"),
        ("schön 猫", "schön 猫"),
        ("", ""),
    ],
)
def test_it_is_one_line_that_no_terminal_obeys(said: str, line: str) -> None:
    assert printable(said) == line
