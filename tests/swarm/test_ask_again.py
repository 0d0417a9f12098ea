"""One more question, for a call, within the time of the request."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from swarm.answer import End, Part, Say
from swarm.ask_again import NOTE, with_call
from swarm.chat.arguments import checks_of
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import Text
from swarm.collect import Draft, Poll, Rules
from swarm.consensus.tally import Voter
from swarm.errors import EngineLost
from swarm.proposer import Began, Ended, News, Said, Told
from swarm.types import FinishReason, Message, Question, SamplingParams, ToolCall, ToolSpec, Verdict
from tests.swarm.consensus.votes import call, votes_of

PARAMETERS = {"type": "object", "properties": {"command": {"type": "string"}}}
QUESTION = Question(
    "fake",
    (Message("user", "List the files."),),
    SamplingParams(),
    (ToolSpec("bash", "", PARAMETERS),),
)
TEXT = "Run this:\n```bash\nls\n```\n"


async def told(voter: Voter) -> AsyncGenerator[list[Part]]:
    draft = Draft(voter, "valid", text=TEXT)
    yield [Say(0, Text(TEXT)), End(0, "stop", draft)]


async def parts_within(seconds: float, spent_s: float = 0.0) -> tuple[list[Part], list[str]]:
    """All parts where the worker that is asked again does not end, and what became of it."""
    voter, seen = Voter("v0"), list[str]()
    said = Said((Call("bash", '{"comm'),), 4)
    poll = Poll([voter], Rules(seed="s", deadline_s=seconds), call_id=str)
    times = iter([0.0])

    async def endless(_: Question) -> AsyncGenerator[list[Told]]:
        seen.append("asked")
        try:
            yield [(0, Began(5, 0)), (0, said)]
            await asyncio.Event().wait()
        finally:
            seen.append("closed")

    steps = with_call(
        told(voter), poll, QUESTION, endless, clock=lambda: next(times, spent_s)
    )  # the first look at the clock is when the request begins
    async with asyncio.timeout(10):
        return [part async for step in steps for part in step], seen


async def test_a_worker_that_is_asked_again_has_no_longer_than_the_request() -> None:
    parts, seen = await parts_within(0.02)
    assert seen == ["asked", "closed"]
    assert ends_of(parts) == {0: ("stop", 4)}  # what it wrote until then is counted
    assert calls_of(parts) == []
    assert Say(0, Text(TEXT)) in parts


async def test_nobody_is_asked_again_when_the_time_is_over() -> None:
    parts, seen = await parts_within(5.0, spent_s=6.0)
    assert seen == []
    assert [part.reason for part in parts if isinstance(part, End)] == ["stop"]


LS = [Said((Call("bash", '{"comm'), Arguments('and": '), Arguments('"ls"}')), 4)]
CALLED = Message("assistant", None, tool_calls=(ToolCall("1", "bash", "{}"),))
VERDICT = Verdict("auto", "majority", "v0", 3, 3, 0, 0, 1.0, 1.0, 9.0, 12, (), note="as it was")


async def after(
    *news: News,
    text: str = TEXT,
    reason: FinishReason = "stop",
    question: Question = QUESTION,
    one_calls: bool = False,
    fails: bool = False,
) -> tuple[list[Part], list[Question]]:
    """All parts of an answer of this text, and what the worker that says the news was asked."""
    poll = Poll(
        [Voter("v0")], Rules(seed="s", checks=checks_of(QUESTION.tools)), call_id=lambda: "call_1"
    )
    asked: list[Question] = []
    for vote in votes_of({"text": text}, {"text": "", "tool_calls": (call("bash", "{}"),)}):
        if one_calls or not vote.candidate.tool_calls:
            poll.score.add(vote)

    async def answer() -> AsyncGenerator[list[Part]]:
        draft = Draft(Voter("v0"), "valid", text=text, tokens=8)
        other = Draft(Voter("v1"), "valid", text=TEXT)
        yield [Say(0, Text(text)), End(1, "stop", other), End(0, reason, draft)]
        yield [VERDICT]

    async def again(held: Question) -> AsyncGenerator[list[Told]]:
        asked.append(held)
        for each in (Began(5, 0), *news):
            yield [(0, each)]
        if fails:
            raise EngineLost("gone")

    steps = with_call(answer(), poll, question, again, clock=lambda: 0.0)
    return [part async for step in steps for part in step], asked


def calls_of(parts: list[Part]) -> list[tuple[str, str]]:
    pieces = [part.piece for part in parts if isinstance(part, Say)]
    return [(each.name, each.arguments) for each in pieces if isinstance(each, ToolCall)]


def ends_of(parts: list[Part]) -> dict[int, tuple[FinishReason, int]]:
    return {p.index: (p.reason, p.draft.tokens) for p in parts if isinstance(p, End)}


async def test_the_call_stands_behind_the_text_and_its_tokens_are_counted() -> None:
    parts, asked = await after(*LS, Ended("tool_calls", 6))
    assert asked == [replace(QUESTION, constraint=replace(QUESTION.constraint, must_call=True))]
    assert parts[0] == Say(0, Text(TEXT))
    assert calls_of(parts) == [("bash", '{"command": "ls"}')]
    assert ends_of(parts) == {1: ("stop", 0), 0: ("tool_calls", 14)}
    assert isinstance(parts[-1], Verdict)
    assert parts[-1].note == f"as it was; {NOTE}"


@pytest.mark.parametrize("apart", [True, False])
async def test_its_tokens_and_time_count_however_the_parts_come(apart: bool) -> None:
    poll = Poll([Voter("v0")], Rules(seed="s", checks=checks_of(QUESTION.tools)), call_id=str)
    draft = Draft(Voter("v0"), "valid", text=TEXT, tokens=8, began_s=0.0, heard_s=1.0)
    now_s = [0.0]

    async def answer() -> AsyncGenerator[list[Part]]:
        now_s[0] = 1.0
        end: list[Part] = [Say(0, Text(TEXT)), End(0, "stop", draft)]
        for step in [end, [VERDICT]] if apart else [[*end, VERDICT]]:
            yield step

    async def again(_: Question) -> AsyncGenerator[list[Told]]:
        now_s[0] = 10.0
        yield [(0, LS[0]), (0, Ended("tool_calls", 72))]

    steps = with_call(answer(), poll, QUESTION, again, clock=lambda: now_s[0])
    said, called, end, verdict = [part async for step in steps for part in step]
    assert (said, calls_of([called])) == (Say(0, Text(TEXT)), [("bash", '{"command": "ls"}')])
    assert ends_of([end]) == {0: ("tool_calls", 80)}
    assert isinstance(verdict, Verdict)
    assert (verdict.generated_tokens, verdict.tokens_per_s) == (12 + 72, 8.0)
    assert (draft.tokens, draft.tokens_per_s) == (8, 8.0), "the voter's own is told as it was"


async def test_several_calls_keep_their_own_arguments() -> None:
    more = Said((Call("bash", '{"command": "pwd"'), Arguments("}")), 4)
    parts, _ = await after(*LS, more, Ended("tool_calls", 9))
    assert calls_of(parts) == [("bash", '{"command": "ls"}'), ("bash", '{"command": "pwd"}')]


@pytest.mark.parametrize(
    "news",
    [
        [*LS],  # it never ends
        [*LS, Ended("length", 6)],
        [Said((Arguments("{}"),), 1), Ended("tool_calls", 1)],  # of no call: a peer may lie
        [Said((Call("rm", "{}"),), 1), Ended("tool_calls", 1)],
        [*LS, Said((Call("bash", '{"command": 5}'),), 1), Ended("tool_calls", 6)],
    ],
)
async def test_where_a_call_is_not_whole_and_valid_none_is_given(news: list[News]) -> None:
    parts, asked = await after(*news)
    assert len(asked) == 1
    assert calls_of(parts) == []
    assert ends_of(parts)[0][0] == "stop"


async def test_where_the_worker_fails_the_text_stands_and_its_tokens_are_counted() -> None:
    parts, asked = await after(*LS, fails=True)
    assert (len(asked), calls_of(parts), ends_of(parts)[0]) == (1, [], ("stop", 12))


async def test_voters_who_disagree_whether_to_call_are_a_lack_whatever_the_text_is() -> None:
    parts, asked = await after(*LS, Ended("tool_calls", 6), text="I list them.", one_calls=True)
    assert (len(asked), len(calls_of(parts))) == (1, 1)
    assert (await after(*LS, text="I list them."))[1] == []


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        (QUESTION, "length"),
        (QUESTION, "tool_calls"),
        (replace(QUESTION, messages=(*QUESTION.messages, CALLED)), "stop"),
        (replace(QUESTION, tools=(ToolSpec("read", "", {}),)), "stop"),
    ],
)
async def test_what_lacks_no_call_is_told_as_it_is(
    question: Question, reason: FinishReason
) -> None:
    parts, asked = await after(*LS, Ended("tool_calls", 6), question=question, reason=reason)
    assert asked == []
    assert ends_of(parts)[0] == (reason, 8)
    assert parts[-1] == VERDICT
