"""The end of a JSON object is found whatever its strings hold and however its text is chunked."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.json_end import ObjectEnd, Outside

VALUES = st.recursive(
    st.text(alphabet='a"\\{}[]<', max_size=4) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)


def end(end: ObjectEnd, chunks: list[str]) -> int | None:
    """How many characters of the chunks belong to the object."""
    before = 0
    for chunk in chunks:
        if found := end.find(chunk):
            return before + found.end()
        before += len(chunk)
    return None


def cut(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted(place % len(text) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


@given(st.dictionaries(st.text(max_size=3), VALUES), st.text(), st.lists(st.integers(0, 999)))
def test_an_object_ends_with_its_last_brace(
    value: dict[str, Any], behind: str, places: list[int]
) -> None:
    text = json.dumps(value)
    assert end(ObjectEnd(), cut(text + behind, places)) == len(text)
    assert end(ObjectEnd(), list(text[:-1])) is None


def test_a_mark_ends_it_before_but_not_within_a_string() -> None:
    found = ObjectEnd("<end>").find('{"a": "<end>", "b": [1<end>')
    assert found is not None
    assert (found.group(), found.start()) == ("<end>", 22)


def test_strings_are_known_from_one_chunk_to_the_next() -> None:
    outside = Outside("<end>")
    assert outside.find('"one \\') is None
    assert outside.find('" <end>') is None
    assert outside.in_string
    assert outside.find('" <end>') is not None
    assert not outside.in_string
