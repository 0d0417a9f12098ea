"""Questions of several kinds for the bundled model, each with the one right answer.

All come from the held-out side of the training's generators: phrasings, names, tools and values
that training never showed.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from swarm.chat.arguments import checks_of
from swarm.consensus.canonical import Form, Reading, form_of
from swarm.consensus.tally import Vote, Voter
from swarm.consensus.validity import flaw, not_json
from swarm.types import Candidate, ToolCall, ToolSpec
from training.data import json_objects, made_up, sums
from training.data.source import Conversation, Source


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the answer that is right."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]
    wanted: Candidate


@dataclass(frozen=True, slots=True)
class Slice:
    """Questions of one kind, drawn by `make`, and the temperature at which they are asked.

    `level` is what of a form must be right: all of it, or only the names of the calls.
    """

    name: str
    make: Callable[[Source], Question]
    temperature: float
    reading: Reading = "auto"
    level: Callable[[Form], object] = lambda form: form

    def questions(self, count: int, *, seed: str = "voting") -> list[Question]:
        source = Source(f"{seed} {self.make.__name__}", held_out=True)
        return [self.make(source) for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Sampled:
    """A question with its answers: the form of each, and the votes of those that are valid."""

    question: Question
    right: object
    answers: tuple[Candidate, ...]
    forms: tuple[object, ...]
    votes: tuple[Vote | None, ...]

    @property
    def hits(self) -> tuple[bool, ...]:
        return tuple(form == self.right for form in self.forms)


def judged(part: Slice, question: Question, answers: list[Candidate]) -> Sampled:
    """The samples of a question as the node itself would read and judge them."""
    specs = [_spec(tool["function"]) for tool in question.tools]
    checks = checks_of(specs)
    wanted = not_json if part.reading == "json" else None
    defaults = {spec.name: spec.parameters for spec in specs}

    def form(candidate: Candidate) -> Form:
        return form_of(candidate, part.reading, defaults=defaults)

    votes = [
        None
        if flaw(answer, tools=checks, wanted=wanted)
        else Vote(answer, form(answer), Voter(answer.voter))
        for answer in answers
    ]
    forms = tuple(part.level(form(answer)) for answer in answers)
    right = part.level(form(question.wanted))
    return Sampled(question, right, tuple(answers), forms, tuple(votes))


def _spec(function: Mapping[str, Any]) -> ToolSpec:
    return ToolSpec(function["name"], function.get("description") or "", function["parameters"])


def sum_with_steps(digits: int) -> Callable[[Source], Question]:
    """An addition or subtraction of numbers of that many digits, asked for with its steps."""

    def make(source: Source) -> Question:
        return _sum(source, digits, steps=True)

    make.__name__ = f"steps {digits}"
    return make


def plain_sum(source: Source) -> Question:
    """An addition or subtraction of two digits, asked for without steps."""
    return _sum(source, 2, steps=False)


def _sum(source: Source, digits: int, *, steps: bool) -> Question:
    kind = source.one(("plus", "minus"))
    asked, answer = sums.task(source, kind, digits, digits, steps=steps)
    return Question([{"role": "user", "content": asked}], [], Candidate("", answer))


def made_up_call(source: Source) -> Question:
    """A request that one of several invented tools serves."""
    while True:
        question = _first_turn(made_up.single(source))
        if question.wanted.tool_calls:
            return question


def json_object(source: Source) -> Question:
    """A text, and the JSON object of a small schema that it describes."""
    return _first_turn(json_objects.objects(source))


def _first_turn(conversation: Conversation) -> Question:
    turns = conversation.messages
    at = next(at for at, message in enumerate(turns) if message["role"] == "assistant")
    calls = tuple(
        ToolCall("", call["function"]["name"], json.dumps(call["function"]["arguments"]))
        for call in turns[at].get("tool_calls", ())
    )
    wanted = Candidate("", turns[at]["content"] or "", calls)
    return Question(turns[:at], conversation.tools, wanted)


def with_steps(digits: int) -> Slice:
    return Slice(f"sums of {digits} digits with steps", sum_with_steps(digits), 0.9)


OTHERS = (
    Slice("sums of 2 digits without steps", plain_sum, 0.8),
    Slice("JSON object to a schema", json_object, 0.8, "json"),
    Slice("made-up tools: the call", made_up_call, 0.8),
    Slice(
        "made-up tools: which tool",
        made_up_call,
        0.8,
        level=lambda form: (form.kind, form.structure),
    ),
)
"""The slices beside the main one."""
