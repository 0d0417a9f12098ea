"""Marks in growing texts, and lines that tell of votes where a client sends them back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.chat.marks import without_progress_told_again

VOTE = "[swarm] 0 of 4 workers have answered\n[swarm] 4 of 4 workers have answered (0, 1)"
CALL = '[Assistant tool call]: bash({"command":"ls"})'


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (f"[User]: hi\n[Assistant reasoning]: {VOTE}\n{CALL}\n", f"[User]: hi\n{CALL}\n"),
        (f"[Assistant reasoning]: {VOTE}\n\n{CALL}", CALL),
        (f"[Assistant reasoning]: {VOTE}", ""),
        (f"[Assistant reasoning]: {VOTE}\nHm.\n{CALL}", f"[Assistant reasoning]: Hm.\n{CALL}"),
        (f"[Assistant reasoning]: Hm.\n{VOTE}\nAh.\n", "[Assistant reasoning]: Hm.\nAh.\n"),
        ("[Assistant reasoning]: \n[User]: hi", "[Assistant reasoning]: \n[User]: hi"),
        (f"[Assistant reasoning]: Hm.\n{CALL}", f"[Assistant reasoning]: Hm.\n{CALL}"),
        (f"What does this mean?\n{VOTE}\n", f"What does this mean?\n{VOTE}\n"),
    ],
)
def test_progress_in_a_conversation_to_sum_up_is_left_out(told: str, left: str) -> None:
    assert without_progress_told_again(told) == left


PIECES = st.sampled_from(["[Assistant reasoning]: ", "[User]: ", "[swarm]", "\n", "Hm. "])


@given(st.lists(PIECES | st.text()).map("".join).filter(lambda text: "[swarm] " not in text))
def test_a_text_without_it_stays_whole(text: str) -> None:
    assert without_progress_told_again(text) == text
