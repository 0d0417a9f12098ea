"""In which order the engine process does what it is told."""

import io
import queue

import pytest

from swarm.engines.base import Embedding, Event
from swarm.engines.child import serve
from swarm.engines.messages import Cancel, Embed, Submit
from swarm.types import Prompt, SamplingParams
from tests.swarm.engines.steppers import Counter

TEXT_S = 5


class Over(Exception):
    """The double has seen enough."""


class Timed(Counter):
    """A text takes as long as TEXT_S steps, of a second each; over after that many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.now_s = 100
        self._left = steps
        self.texts_s: list[int] = []

    def step(self) -> list[tuple[int, list[Event]]]:
        if not self._left:
            raise Over
        self._left -= 1
        self.now_s += 1
        return super().step()

    def embed(self, text: str | tuple[int, ...]) -> Embedding:
        self.texts_s.append(self.now_s - 100)
        self.now_s += TEXT_S
        return super().embed(text)


def served(*commands: Submit | Embed | Cancel) -> list[int]:
    """When each text was begun."""
    stepper = Timed(steps=30)
    inbox: queue.SimpleQueue[Submit | Embed | Cancel] = queue.SimpleQueue()
    for command in commands:
        inbox.put(command)
    with pytest.raises(Over):
        serve(stepper, inbox, io.BytesIO(), lambda: stepper.now_s)
    return stepper.texts_s


STREAM = Submit(1, Prompt("go", SamplingParams()))
TEXTS = [Embed(2, "a"), Embed(3, "b"), Embed(4, "c")]


def test_streams_have_as_much_time_as_texts() -> None:
    assert served(STREAM, *TEXTS) == [0, 2 * TEXT_S, 4 * TEXT_S]


def test_a_text_that_was_cancelled_takes_no_time() -> None:
    assert served(STREAM, *TEXTS, Cancel(3)) == [0, 2 * TEXT_S]
