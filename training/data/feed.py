"""Conversations to padded batches of ids and targets, made in one background process."""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from training.data.hints import KINDS, Hinter, Marks
from training.data.source import Conversation, Source
from training.render import load_template, render
from training.tokenizer import END, START, Tokenizer

IGNORED = -1
ROW_LENGTHS = (
    *range(32, 256, 32), *range(256, 512, 64), *range(512, 1024, 128), 1024, 1536, 2048, 3072, 4096,
)
Generator = Callable[[Source], Conversation]
Mix = dict[Generator, float]
Hints = dict[str, np.ndarray]


@dataclass(frozen=True)
class Batch:
    """Rows of one length: ids, targets and targets inside the lists of tools, each int64 [rows, length].

    A target of -1 is none.
    """

    ids: np.ndarray
    targets: np.ndarray
    hints: Hints


@dataclass(frozen=True)
class Row:
    """One conversation as ids, the target behind each, and marks by kind."""

    ids: list[int]
    targets: list[int]
    hints: dict[str, Marks]


@dataclass(frozen=True)
class Feed:
    """What a stage trains on: generators with weights, the longest row and the step's size.

    `brief` is the share of conversations with few tools and short system prompts, in which
    there is more to learn in fewer tokens.
    """

    mix: Mix
    longest: int
    step_tokens: int
    brief: float = 0.0


class Encoder:
    """Conversation to ids and targets; only what the assistant says has a target."""

    def __init__(self) -> None:
        self.template = load_template()
        self.tokenizer = Tokenizer.load()
        self.hinter = Hinter(self.tokenizer)
        self.opening = self.tokenizer.encode(f"{START}assistant\n")
        self.end = self.tokenizer.ids[END]

    def __call__(self, conversation: Conversation) -> Row:
        text = render(
            self.template, conversation.messages, conversation.tools, open_answer=False
        ).rstrip("\n")
        ids = self.tokenizer.encode(text)
        silent = conversation.facts.get("silent_turns", 0)
        hints = self.hinter(conversation, text, ids)
        return Row(ids[:-1], self._targets(ids, silent), hints)

    def _targets(self, ids: list[int], silent: int) -> list[int]:
        targets = [IGNORED] * (len(ids) - 1)
        width, at, turn = len(self.opening), 0, 0
        while at < len(ids):
            if ids[at : at + width] != self.opening:
                at += 1
                continue
            at += width
            turn += 1
            while at < len(ids):
                if turn > silent:
                    targets[at - 1] = ids[at]
                at += 1
                if ids[at - 1] == self.end:
                    break
        return targets


def row_length(tokens: int) -> int:
    """The smallest allowed row that holds that many tokens."""
    return next(length for length in ROW_LENGTHS if length >= tokens)


def batches(feed: Feed, seed: int) -> Iterator[Batch]:
    """Endless batches of rows of like length, in random order."""
    source = Source(seed, held_out=False)
    encode = Encoder()
    makers, weights = list(feed.mix), list(feed.mix.values())
    shelves: dict[int, list[Row]] = {}
    while True:
        source.brief = source.chance(feed.brief)
        row = encode(source.rng.choices(makers, weights)[0](source))
        if len(row.ids) > feed.longest:
            continue
        length = row_length(len(row.ids))
        shelf = shelves.setdefault(length, [])
        shelf.append(row)
        if len(shelf) == max(1, feed.step_tokens // length):
            yield padded(shelves.pop(length), length)


def padded(rows: list[Row], length: int) -> Batch:
    """The rows one below the other, filled up with padding 0 and targets of -1."""
    ids = np.zeros((len(rows), length), dtype=np.int64)
    targets, *rest = np.full((1 + len(KINDS), len(rows), length), IGNORED, dtype=np.int64)
    hints = dict(zip(KINDS, rest, strict=True))
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = row.ids
        targets[at, : len(row.targets)] = row.targets
        for kind, marks in row.hints.items():
            for place, wanted in marks:
                hints[kind][at, place] = wanted
    return Batch(ids, targets, hints)


def _fill(feed: Feed, seed: int, shelf: multiprocessing.Queue[Batch]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    for batch in batches(feed, seed):
        shelf.put(batch)


def in_background(feed: Feed, seed: int) -> Iterator[Batch]:
    """The same batches, made ahead by a child process that dies with this one."""
    context = multiprocessing.get_context("fork")
    shelf: multiprocessing.Queue[Batch] = context.Queue(maxsize=64)
    child = context.Process(target=_fill, args=(feed, seed, shelf), daemon=True)
    child.start()
    while True:
        try:
            yield shelf.get(timeout=60)
        except queue.Empty as error:
            if not child.is_alive():
                raise RuntimeError("the data process has ended") from error
