"""One rule for counting what an answer's sequences generate."""

import pytest

from api.generated import Generated
from swarm.engines.base import Delta, Finished, Started


@pytest.mark.parametrize("told", [2, 5, 9])
def test_the_end_of_a_sequence_says_how_many_they_were(told: int) -> None:
    generated = Generated()
    events = (Started(7, 0), Delta(0, "a", 2), Delta(0, "b", 3), Finished(0, "stop", told, 1, 1))
    assert [generated.hear(event) for event in events] == [0, 2, 3, told - 5]
    assert generated.of(0) == generated.total == told


def test_what_breaks_off_counts_as_far_as_it_was_shown() -> None:
    generated = Generated()
    for event in (Delta(0, "a", 2), Delta(1, "b", 1), Finished(1, "stop", 4, 1, 1)):
        generated.hear(event)
    assert [generated.of(at) for at in range(3)] == [2, 4, 0]
    assert generated.total == 6
