"""What a command is taken for, without running it."""

import time

import pytest

from tools.bash import is_package_manager


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        " ",
        ";",
        "a",
        "a ",
        "a=",
        "a= ",
        "; ",
        "sudo ",
        "python",
        "python3.",
        "python -m ",
        "(",
        "\\",
    ],
)
def test_a_long_command_is_read_once(piece: str) -> None:
    command = "echo hi" + piece * (128_000 // len(piece)) + "x"
    begun = time.thread_time()
    assert not is_package_manager(command)
    assert time.thread_time() - begun < 0.5


@pytest.mark.parametrize(
    "command",
    [
        "\n\n  npm ci",
        "echo\n \n npm ci",
        "A=1 B= npm ci",
        "/usr/bin/sudo A=1 pip3 install x",
        "x=$(pip list)",
        "time python3.11 -m uv sync",
        "a&&npm ci",
    ],
)
def test_a_package_manager_is_known_wherever_a_command_begins(command: str) -> None:
    assert is_package_manager(command)


@pytest.mark.parametrize(
    "command",
    ["A=npm x", "python -m\nx pip", "python\n-m pip", "echo python -m pip", "sudo\nls npm"],
)
def test_words_that_stand_elsewhere_are_none(command: str) -> None:
    assert not is_package_manager(command)
