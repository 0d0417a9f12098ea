"""How alike texts are."""

import pytest

from swarm.consensus.similarity import closeness, grams, jaccard


@pytest.mark.parametrize(("one", "other", "alike"), [("a", "b", 0.0), ("a", " a\n", 1.0)])
def test_texts_shorter_than_a_run_are_alike_only_where_they_are_equal(
    one: str, other: str, alike: float
) -> None:
    assert jaccard(grams(one), grams(other)) == alike


def test_texts_without_a_word_are_alike() -> None:
    assert closeness(["", " "], [1.0, 2.0]) == [3.0, 3.0]
