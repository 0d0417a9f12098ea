"""What a model has to find out about the nearest tools on its way to a call, as targets inside the prompt.

The call alone is a late and thin signal: one token in a hundred says which line was meant. These targets ask for the
steps between: where in the request a value begins, which line is called and what each of its parameters gets. Heads
that are not exported answer them at the layers where they are needed.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass

import numpy as np

from training.data.source import Conversation
from training.render import Message
from training.tokenizer import CONTROL, END, GLUE, PAD, START, Tokenizer

SPAN, LINE, VALUE = "span", "line", "value"
KINDS = (SPAN, LINE, VALUE)
NOT_CALLED, FIRST, LATER = range(3)
NEAREST = f"{END}\n{START}system\nNearest:\n".encode()
USER = f"{START}user\n".encode()
PARAMETER = re.compile(rb"(?:\(|, )([A-Za-z_][\w-]*)\??(:)")

Marks = list[tuple[int, int]]
"""Positions of tokens, and the target of each."""


@dataclass(frozen=True)
class Call:
    """A call of the answer: which tool, what it gets."""

    name: str
    arguments: dict[str, object]


def parts(value: object) -> list[str]:
    """What a request says of a value: the items of a list one by one."""
    if isinstance(value, list):
        return [part for item in value for part in parts(item)]
    return [value if isinstance(value, str) else json.dumps(value)]


def calls_by_request(messages: list[Message]) -> list[list[Call]]:
    """For each request all calls behind it, in order."""
    found: list[list[Call]] = []
    for message in messages:
        if message["role"] == "user":
            found.append([])
        made = (call["function"] for call in message.get("tool_calls") or ())
        for call in made:
            found[-1].append(Call(call["name"], call["arguments"]))
    return found


class Hinter:
    """Rendered conversations to targets, by kind."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        fixed = len(CONTROL) + len(GLUE)
        self.widths = np.array([len(token.encode()) if at < fixed else len(token) for at, token in enumerate(tokenizer.tokens)])

    def __call__(self, conversation: Conversation, text: str, ids: list[int]) -> dict[str, Marks]:
        """Targets for every request, and for the nearest tools where they stand behind it."""
        found: dict[str, Marks] = {kind: [] for kind in KINDS}
        if not conversation.tools:
            return found
        raw, ends = text.encode(), np.cumsum(self.widths[ids])
        opening = 0
        for calls in calls_by_request(conversation.messages):
            opening = raw.index(USER, opening) + len(USER)
            closing = raw.index(END.encode(), opening)
            found[SPAN] += self._spans(raw[opening:closing], opening, calls, ends)
            if raw.startswith(NEAREST, closing):
                at = closing + len(NEAREST)
                for line in raw[at : raw.index(END.encode(), at)].splitlines(keepends=True):
                    self._line(line, at, calls, ends, found)
                    at += len(line)
        return found

    def _spans(self, request: bytes, opening: int, calls: list[Call], ends: np.ndarray) -> Marks:
        """For each token of the request whether a value of a call begins with it."""
        first, last = np.searchsorted(ends, opening, "right"), np.searchsorted(ends, opening + len(request), "left")
        begins: set[int] = set()
        shown = itertools.chain.from_iterable(parts(value) for call in calls for value in call.arguments.values())
        for part in shown:
            here = request.find(part.encode())
            if here >= 0:
                begins.add(int(np.searchsorted(ends, opening + here, "right")))
        return [(at, int(at in begins)) for at in range(int(first), int(last) + 1)]

    def _line(
        self, line: bytes, start: int, calls: list[Call], ends: np.ndarray, found: dict[str, Marks]
    ) -> None:
        def token(offset: int) -> int:
            """The token that holds this byte of the line."""
            return int(np.searchsorted(ends, start + offset, "right"))

        head, _, signature = line.partition(b"(")
        name = head.rpartition(b": ")[2].decode()
        places = [at for at, call in enumerate(calls) if call.name == name]
        called = NOT_CALLED if not places else FIRST if places[0] == 0 else LATER
        found[LINE].append((token(len(line) - 1), called))
        if places:
            arguments = calls[places[0]].arguments
            for field in PARAMETER.finditer(b"(" + signature):
                mark = token(len(head) + field.start(2))
                found[VALUE].append((mark, self._first(arguments, field[1].decode())))

    def _first(self, arguments: dict[str, object], name: str) -> int:
        """The first token of a parameter's value, the padding token where it is not given."""
        if name not in arguments:
            return self.tokenizer.ids[PAD]
        shown = next(iter(parts(arguments[name])), "")
        return self.tokenizer.encode(shown or '"')[0]
