"""What is kept of texts that come again."""

from collections.abc import Callable

import pytest

from swarm.chat import arguments, grammar, patterns
from swarm.chat.recalled import recalled


def test_a_short_text_is_read_once_and_a_long_one_is_not_kept() -> None:
    read: list[int] = []

    @recalled(2)
    def length(text: str) -> int:
        read.append(len(text))
        return len(text)

    for text in ("a", "a", "b" * 65_536, "b" * 65_536, "c" * 65_537, "c" * 65_537):
        assert length(text) == len(text)
    assert read == [1, 65_536, 65_537, 65_537]
    length("d")
    length("a")
    assert read[4:] == [1, 1]


@pytest.mark.parametrize("make", [arguments._validator, grammar._unenforced])
def test_long_schemas_are_not_kept(make: Callable[[str], object]) -> None:
    short, long = (f'{{"description": "{"x" * length}"}}' for length in (10, 100_000))
    assert make(short) is make(short)
    assert make(long) is not make(long)


def test_long_patterns_are_not_kept() -> None:
    assert patterns._automaton("a") is patterns._automaton("a")
    assert patterns._automaton("[a]" + "a" * 70_000) is not patterns._automaton(
        "[a]" + "a" * 70_000
    )
