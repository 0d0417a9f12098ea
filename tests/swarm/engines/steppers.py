"""Steppers for the engine process's own tests: they load nothing and count for ever."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from swarm.engines.base import (
    Accepted,
    Delta,
    Embedding,
    EngineLoad,
    Event,
    Failed,
    Finished,
    ModelInfo,
    Started,
)
from swarm.errors import GenerationFailed, InvalidRequest, ModelLoadFailed
from swarm.types import Prompt

INFO = ModelInfo(
    name="counter",
    description="counts",
    architecture="none",
    parameters=0,
    size_bytes=0,
    context_tokens=100,
    trained_context_tokens=100,
    vocabulary=256,
    chat_template=None,
    bos_token="",
    eos_token="",
    max_sequences=4,
)


class Counter:
    """A vector tells how many texts have become one, and how many steps there were.

    The text "held" becomes one when the tokens of "go on" have been asked for.
    """

    info = INFO

    def __init__(self) -> None:
        self._requests: dict[int, int] = {}
        self._steps = 0
        self._texts = 0
        self._go_on = threading.Event()

    @property
    def busy(self) -> bool:
        return bool(self._requests)

    def submit(self, request_id: int, prompt: Prompt) -> Accepted:
        self._requests[request_id] = 0
        return Accepted(1)

    def cancel(self, request_id: int) -> None:
        self._requests.pop(request_id, None)

    def interrupt(self, request_id: int) -> None:
        pass

    def step(self) -> list[tuple[int, list[Event]]]:
        self._steps += 1
        events: list[tuple[int, list[Event]]] = []
        for request_id, count in self._requests.items():
            event = Delta(0, str(count), 1) if count else Started(1, 0)
            events.append((request_id, [event]))
            self._requests[request_id] += 1
        return events

    def tokenize(self, text: str) -> list[int]:
        if text == "die":
            os._exit(3)
        if text == "wrong":
            raise ValueError(text)
        if text == "go on":
            self._go_on.set()
        if text == "three steps long":
            last = self._steps + 3
            while self._steps < last:
                time.sleep(0.001)
        return list(text.encode())

    def embed(self, text: str | tuple[int, ...]) -> Embedding:
        if not text:
            raise InvalidRequest("nothing to count")
        if text == "long":
            time.sleep(1.5)  # one step that computes that long
        if text == "held":
            self._go_on.wait(20)
        self._texts += 1
        return Embedding((self._texts, self._steps), len(text))

    def load(self) -> EngineLoad:
        return EngineLoad(len(self._requests), 0, len(self._requests), self._texts, 100)


def counter(_options: Any) -> Counter:
    return Counter()


def talkative(_options: Any) -> Counter:
    print("a library that prints")
    return Counter()


def refusing(_options: Any) -> Counter:
    raise ModelLoadFailed("this file is of no use")


def unless_gone(path: str) -> Counter:
    if not Path(path).exists():
        with Path(f"{path}.missed").open("a", encoding="utf-8") as missed:
            missed.write("once\n")
        raise ModelLoadFailed(f"{path} is not there")
    return Counter()


def endless(begun: str) -> Counter:
    Path(begun).touch()
    time.sleep(600)
    return Counter()


def broken(_options: Any) -> Counter:
    raise IndexError("a bug")


def crashing(_options: Any) -> Counter:
    os.kill(os.getpid(), signal.SIGSEGV)
    return Counter()


class Wrong(Counter):
    """Its first step is a bug, or fails as a computation may."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def step(self) -> list[tuple[int, list[Event]]]:
        raise self._error


def wrong(error: Exception) -> Wrong:
    return Wrong(error)


class Halving(Counter):
    """Of two sequences the first is complete at once, and the other never."""

    def step(self) -> list[tuple[int, list[Event]]]:
        asked, self._requests = self._requests, {}
        lost = Failed(1, GenerationFailed("no room for two"))
        return [(request_id, [Finished(0, "stop", 1, 0, 0), lost]) for request_id in asked]


def halving(_options: Any) -> Halving:
    return Halving()
