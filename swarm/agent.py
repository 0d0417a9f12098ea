"""A node's own agent: model, tools, model, until the answer or a bound.

Knows neither who answers a step nor who runs a tool: both are handed in.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from ending import ended
from swarm.answer import End, Part, Progress, Say, noted
from swarm.chat.calls import Arguments
from swarm.chat.completion import Reasoning, Text
from swarm.collect import Draft
from swarm.deadline import DeadlinePassedError, until
from swarm.errors import ContextOverflow, GenerationFailed
from swarm.types import FinishReason, Message, Question, StepReport, ToolCall, Verdict

SHOWN_CHARACTERS = 160
"""A call or a failure is shown up to this length in the line that tells of it."""

TOLD_CHARACTERS = 2000
"""The client is told at most this much of what one tool says while it runs; the model is told the
rest too."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far one answer may go: steps of the model, seconds, and tokens that it writes."""

    steps: int
    time_s: float
    tokens: int


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What the model is told of a call."""

    text: str
    failed: bool = False


Emit: TypeAlias = Callable[[str], None]
STEP_GRACE_S = 0.5
"""A step has this much longer, once its time is over, to give what it has by then."""

Ask: TypeAlias = Callable[[Question, float], AsyncGenerator[list[Part]]]
"""Puts one step to the vote, which is told how many seconds are left; its parts end with the
verdict.
"""

Execute: TypeAlias = Callable[[ToolCall, Emit], Awaitable[ToolResult]]
"""Runs a call, and emits what it says meanwhile. Cancelling it ends the tool."""


async def worked(
    question: Question, ask: Ask, execute: Execute, bounds: Bounds
) -> AsyncGenerator[list[Part]]:
    """The parts of one answer for which the tools of `question` are run here.

    Calls are run one after the other, in the order in which the model wrote them, and told as lines
    of the course. A bound ends the answer with a closing and the reason `length`. The last
    draft has the tokens of all steps and the log probabilities of those that call nothing, the last
    verdict a report of each.
    Raises what a step raises; GenerationFailed where not one of them ends in time.
    """
    run = _Run(question, bounds)
    limit = _Limit(bounds.time_s, _now() + bounds.time_s)
    try:
        while True:
            turn = _Turn()
            async with aclosing(_step(ask, run, turn, limit)) as parts:
                async for told in parts:
                    yield told
            if not turn.calls_are_due:
                break
            run.must_go_on()
            async with aclosing(_called(run, turn.calls, execute, limit)) as parts:
                async for some in parts:
                    yield some
    except ContextOverflow:
        if not run.reports:
            raise
        run.stopped = "the conversation has filled the model's context"
    except _BoundReachedError as bound:
        run.stopped = str(bound)
    yield run.closing()


async def _step(
    ask: Ask, run: "_Run", turn: "_Turn", limit: "_Limit"
) -> AsyncGenerator[list[Part]]:
    """What the client is told of one step. Raises _BoundReachedError where the time cuts it."""
    asked = ask(run.question(), limit.left_s)
    try:
        async with aclosing(_in_time(asked, limit, grace_s=STEP_GRACE_S)) as parts:
            async for some in parts:
                if told := run.heard(turn, some):
                    yield told
    except GenerationFailed:
        if not run.reports or limit.left_s > 0:
            raise
        raise limit.reached() from None
    run.ended(turn)
    if limit.left_s <= 0 and turn.is_cut:
        raise limit.reached()


async def _called(
    run: "_Run", calls: Sequence[ToolCall], execute: Execute, limit: "_Limit"
) -> AsyncGenerator[list[Part]]:
    """The course of some calls, whose results go into the conversation."""
    for call in calls:
        yield run.course(_shown(call))
        async with aclosing(_in_time(_ran(call, execute), limit)) as told:
            async for each in told:
                line = f"| {each}" if isinstance(each, str) else run.answered(call, each)
                yield run.course(line)


class _BoundReachedError(Exception):
    """The answer may not go on; `str()` of it says why."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """How long an answer may take, and when that is over."""

    time_s: float
    deadline: float

    @property
    def left_s(self) -> float:
        return self.deadline - _now()

    def reached(self) -> _BoundReachedError:
        return _BoundReachedError(f"it has worked for {self.time_s:g} s, which is the most")


def _now() -> float:
    return asyncio.get_running_loop().time()


@dataclass(slots=True)
class _Turn:
    """What the model says in one step."""

    text: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    speaks: bool = False
    end: End | None = None
    verdict: Verdict | None = None

    @property
    def calls_are_due(self) -> bool:
        """Whether it ends with calls that are whole."""
        return bool(self.calls) and self.end is not None and self.end.reason == "tool_calls"

    @property
    def is_cut(self) -> bool:
        return self.end is not None and self.end.reason == "length"

    @property
    def message(self) -> Message:
        """The same for the next step to read."""
        text, reasoning = "".join(self.text), "".join(self.reasoning)
        return Message("assistant", text or None, reasoning or None, tuple(self.calls))


class _Run:
    """The conversation as it grows, what it has cost, and what the client has been told."""

    def __init__(self, question: Question, bounds: Bounds) -> None:
        self._question = question
        self._bounds = bounds
        self._messages = list(question.messages)
        wish = question.sampling.max_tokens
        self._tokens = bounds.tokens if wish is None else min(wish, bounds.tokens)
        self._spent: Draft | None = None
        self._verdict: Verdict | None = None
        self._reason: FinishReason = "stop"
        self._spoken = False
        self._thought = ""
        self.reports: list[StepReport] = []
        self.stopped: str | None = None

    def question(self) -> Question:
        """The next step."""
        left = self._tokens - (self._spent.tokens if self._spent else 0)
        sampling = replace(self._question.sampling, max_tokens=left)
        return replace(self._question, messages=tuple(self._messages), sampling=sampling)

    def heard(self, turn: _Turn, parts: Sequence[Part]) -> list[Part]:
        """Take some parts of a step; those that the client is told."""
        told: list[Part] = []
        for part in parts:
            match part:
                case Say(_, piece):
                    told += self._heard_piece(turn, piece)
                case Progress(line):
                    told += self.course(line)
                case End():
                    turn.end = part
                case Verdict():
                    turn.verdict = part
        return told

    def _heard_piece(
        self, turn: _Turn, piece: Text | Reasoning | ToolCall | Arguments
    ) -> list[Part]:
        match piece:
            case Text(text):
                return self._heard_text(turn, text)
            case Reasoning(text):
                turn.reasoning.append(text)
                self._thought = text or self._thought
                return [Say(0, piece)]
            case ToolCall():
                turn.calls.append(piece)
            case Arguments(text):
                last = turn.calls[-1]
                turn.calls[-1] = replace(last, arguments=last.arguments + text)
        return []

    def _heard_text(self, turn: _Turn, text: str) -> list[Part]:
        """What is told of it: a step begins with its first word, apart from the step before."""
        told = text if turn.speaks else text.lstrip()
        turn.text.append(text)
        if not told:
            return []
        apart = "" if turn.speaks else self._apart
        turn.speaks = self._spoken = True
        return [Say(0, Text(apart + told))]

    @property
    def _apart(self) -> str:
        return "\n\n" if self._spoken else ""

    def course(self, line: str) -> list[Part]:
        """The line by itself: reasoning that was being told ends its line first. Line ends within
        it become spaces.
        """
        open_line = self._thought and not self._thought.endswith("\n")
        self._thought = ""
        return [
            *([Say(0, Reasoning("\n"))] if open_line else []),
            Progress(" ".join(line.splitlines())),
        ]

    def ended(self, turn: _Turn) -> None:
        """Count a step that is over. Raises _BoundReachedError where it was cut by a bound."""
        if turn.end is None or turn.verdict is None:
            raise GenerationFailed("a step of the agent ended without a verdict")
        draft, verdict = turn.end.draft, turn.verdict
        if turn.calls:  # the client is not told them, nor what their tokens were worth
            draft = replace(draft, logprobs=[])
        self._spent = draft if self._spent is None else _together(self._spent, draft)
        self._verdict, self._reason = verdict, turn.end.reason
        report = StepReport(
            verdict.decided_by,
            verdict.winner,
            verdict.support,
            tokens=draft.tokens,
            generated_tokens=verdict.generated_tokens,
            calls=tuple(call.name for call in turn.calls),
        )
        self.reports.append(report)
        self._messages.append(turn.message)
        if turn.is_cut and self._spent.tokens >= self._bounds.tokens:
            raise self._too_long()
        if turn.is_cut and turn.calls:
            raise _BoundReachedError("a tool call was cut at the most tokens of an answer")

    def must_go_on(self) -> None:
        """Raise _BoundReachedError where no step is left in which results could be read."""
        if len(self.reports) >= self._bounds.steps:
            raise _BoundReachedError(f"{self._bounds.steps} steps are the most for one answer")
        if self._spent and self._spent.tokens >= self._tokens:
            raise self._too_long()

    def _too_long(self) -> _BoundReachedError:
        return _BoundReachedError(f"{self._tokens} tokens are the most for one answer")

    def answered(self, call: ToolCall, result: ToolResult) -> str:
        """Take a tool's result into the conversation; the line that tells of it."""
        self._messages.append(Message("tool", result.text, tool_call_id=call.id, name=call.name))
        return _one_line(f"{call.name} {f'failed: {result.text}' if result.failed else 'ended'}")

    def closing(self) -> list[Part]:
        """The end of the answer. Raises GenerationFailed where there was no verdict."""
        if self._spent is None or self._verdict is None:
            raise GenerationFailed(f"the agent gave no answer: {self.stopped}")
        verdict = replace(self._verdict, steps=tuple(self.reports))
        if self.stopped is None:
            reason = "stop" if self._reason == "tool_calls" else self._reason
            return [End(0, reason, self._spent), verdict]
        note = noted(verdict.note, self.stopped)
        text = Text(f"{self._apart}[Stopped here: {self.stopped}. Ask to go on.]")
        return [Say(0, text), End(0, "length", self._spent), replace(verdict, note=note)]


def _together(before: Draft, last: Draft) -> Draft:
    """The last draft with the tokens of both."""
    return replace(
        last,
        prompt_tokens=before.prompt_tokens + last.prompt_tokens,
        cached_tokens=before.cached_tokens + last.cached_tokens,
        tokens=before.tokens + last.tokens,
        reasoning_tokens=before.reasoning_tokens + last.reasoning_tokens,
        logprobs=[*before.logprobs, *last.logprobs],
    )


T = TypeVar("T")


async def _in_time(
    some: AsyncGenerator[T], limit: _Limit, *, grace_s: float = 0.0
) -> AsyncGenerator[T]:
    """The same until the deadline. Raises _BoundReachedError then, and ends what runs; nothing is
    begun past it.
    """
    if limit.left_s <= 0:
        raise limit.reached()
    async with aclosing(until(some, limit.deadline + grace_s)) as steps:
        try:
            async for each in steps:
                yield each
        except DeadlinePassedError:
            raise limit.reached() from None


async def _ran(call: ToolCall, execute: Execute) -> AsyncGenerator[str | ToolResult]:
    """The lines that a tool says while it runs, then its result."""
    said: asyncio.Queue[str | None] = asyncio.Queue()
    task = asyncio.ensure_future(execute(call, said.put_nowait))
    task.add_done_callback(lambda _: said.put_nowait(None))
    rest, left = "", TOLD_CHARACTERS
    try:
        while (text := await said.get()) is not None:
            *lines, rest = (rest + text[: max(0, left)]).split("\n")
            left -= len(text)
            for line in lines:
                yield line
        if rest:
            yield rest
        if left < 0:
            yield f"... and {-left} characters more"
        yield await task
    finally:
        await ended(task)  # what it failed with was raised, or nobody is there any more


def _shown(call: ToolCall) -> str:
    """A call in one line."""
    return _one_line(f"{call.name} {call.arguments}")


def _one_line(text: str) -> str:
    line = " ".join(text[: 4 * SHOWN_CHARACTERS].split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
