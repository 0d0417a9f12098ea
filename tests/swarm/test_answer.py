"""A vote from its proposers to its parts, with voters that speak by script."""

import asyncio
import itertools
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.openai.reply import named_envelope
from api.openai.voted import whole
from swarm.answer import NO_PICK, End, Judge, Part, Progress, Say, agreed_further, voted
from swarm.arrivals import Heard
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import CompletionParser, Reasoning, Text
from swarm.chat.formats.canonical import CallParser
from swarm.collect import Draft, Poll, Rules, collect
from swarm.consensus.tally import Voter
from swarm.engines.base import Delta, Finished
from swarm.errors import ContextOverflow, EngineLost, GenerationFailed, Overloaded, SwarmError
from swarm.lead import led
from swarm.propose import Reader
from swarm.proposer import Began, Ended, Said
from swarm.types import Candidate, FinishReason, ToolCall, Verdict

Script = list[str] | SwarmError


class Clock:
    """A clock that stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def speak(
    ids: list[str], scripts: list[Script], closed: list[str], finish: FinishReason = "stop"
) -> AsyncGenerator[list[Heard]]:
    """One proposer: its voters speak in turn, word by word; an error ends it."""
    try:
        yield [(voter, Began(5, 0)) for voter in ids]
        for voter, script in zip(ids, scripts, strict=True):
            if isinstance(script, SwarmError):
                raise script
            reader = Reader(CompletionParser(CallParser()))
            for word in script:
                await asyncio.sleep(0)
                yield [(voter, news) for news in reader.read(Delta(0, word, 1))]
            end = Finished(0, finish, len(script), 0.1, 0.2)
            yield [(voter, news) for news in reader.read(end)]
        ids = []
    finally:
        closed += ids


async def vote(
    *scripts: Script,
    n: int = 1,
    finish: FinishReason = "stop",
    judge: Judge | None = None,
    **rules: Any,
) -> tuple[list[Part], list[str]]:
    """All parts of a vote with one proposer for each voter, and whom it was closed on."""
    voters = [Voter(f"v{at}") for at in range(len(scripts))]
    closed: list[str] = []
    clock = Clock()
    numbers = itertools.count(1)
    poll = Poll(
        voters,
        Rules(seed="s", **rules),
        call_id=lambda: f"call_{next(numbers)}",
    )
    proposals = [speak([v.id], [s], closed, finish) for v, s in zip(voters, scripts, strict=True)]
    course = collect(poll, proposals, [[v.id] for v in voters], clock=clock)
    steps = voted(poll, course, n=n, clock=clock, judge=judge)
    return [part async for step in steps for part in step], closed


def text_of(parts: list[Part], index: int = 0) -> str:
    said = [p.piece for p in parts if isinstance(p, Say) and p.index == index]
    return "".join(piece.text for piece in said if isinstance(piece, Text))


def reasoning_of(parts: list[Part]) -> str:
    said = [p.piece for p in parts if isinstance(p, Say)]
    return "".join(piece.text for piece in said if isinstance(piece, Reasoning))


def verdict_of(parts: list[Part]) -> Verdict:
    assert isinstance(parts[-1], Verdict)
    return parts[-1]


async def test_the_majority_wins_and_the_rest_is_cancelled():
    slow = ["Answer: ", *["1234567890", "and", "so", "on"], "13"]
    parts, closed = await vote(["Answer: ", "12"], ["Answer: ", "12"], slow)
    assert text_of(parts) == "Answer: 12"
    assert verdict_of(parts).decided_by == "majority"
    assert (verdict_of(parts).valid, verdict_of(parts).cancelled) == (2, 1)
    assert closed == ["v2"]


@pytest.mark.parametrize(
    ("said", "rules", "strategy"),
    [
        ("Answer: 12", {}, "exact"),
        ("I cannot help with that.", {}, "exact"),
        ('{"a": 1}', {"reading": "json"}, "json"),
        ("```python\nprint(1)\n```", {}, "code"),
        ("A long story. " * 20, {}, "medoid"),
        ('<tool_call>{"name": "read", "arguments": {}}</tool_call>', {}, "tools"),
        ("Answer: 12", {"strategy": "first", "decide": "first"}, "first"),
    ],
)
async def test_the_verdict_tells_the_strategy_that_was_chosen(
    said: str, rules: dict[str, Any], strategy: str
):
    script = said.splitlines(keepends=True)
    parts, _ = await vote(script, script, script, **{"checks": {"read": lambda _: None}, **rules})
    assert verdict_of(parts).strategy == strategy


async def test_what_all_begin_with_goes_out_before_anybody_has_finished():
    parts, _ = await vote(
        ["The sum ", "is ", "12"], ["The sum ", "is ", "13"], ["The sum ", "is 12"]
    )
    first = next(at for at, part in enumerate(parts) if isinstance(part, Say))
    assert not any(isinstance(part, End) for part in parts[:first])
    assert text_of(parts) == "The sum is 12"


WORDS = st.lists(st.sampled_from(["a ", "b", "\n", "\t", "\u00e9", "\U0001f600 "]), max_size=8)


@given(WORDS, st.sampled_from([0, 1500, 5000]), st.lists(WORDS, min_size=1, max_size=4), st.data())
def test_what_is_agreed_is_what_all_begin_with_up_to_white_space(
    first: list[str], padding: int, rest: list[list[str]], data: st.DataObject
):
    shared = "x" * padding + "".join(first)
    texts = [shared + "".join(words) for words in rest]
    alike = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
    whole = "".join(letters[0] for letters in alike)
    agreed = whole[: max(whole.rfind(mark) for mark in " \n\t") + 1]
    said = data.draw(st.integers(0, len(agreed)))
    drafts = [Draft(Voter("v"), text=text) for text in texts]
    assert agreed_further(drafts, said) == agreed[said:]


def test_of_nobody_nothing_is_agreed():
    assert agreed_further([], 0) == ""


async def test_a_call_goes_out_whole_and_once():
    call = ['<tool_call>{"name": "read", ', '"arguments": {"path": "a"}}</tool_call>']
    parts, _ = await vote(call, call, ["no ", "call"], checks={"read": lambda _: None})
    [said] = [p.piece for p in parts if isinstance(p, Say) and isinstance(p.piece, ToolCall)]
    assert (said.name, said.arguments) == ("read", '{"path": "a"}')
    assert text_of(parts) == ""
    assert [p.reason for p in parts if isinstance(p, End)] == ["tool_calls"]


async def test_a_worker_that_fails_abstains():
    parts, _ = await vote(["Answer: 1"], EngineLost("gone"), ["Answer: 1"], decide="all")
    verdict = verdict_of(parts)
    assert (verdict.valid, verdict.abstained) == (2, 1)
    assert [w.why for w in verdict.workers] == [None, "gone", None]
    assert verdict.decided_by == "unanimous"


def test_arguments_of_no_call_cost_no_more_than_their_own_vote():
    poll = Poll([Voter("liar"), Voter("v1")], Rules("s"), call_id=str)
    poll.hear("liar", Said((Arguments('{"a": 1}'),), 2), 1.0)
    poll.hear("liar", Ended("tool_calls", 2), 2.0)
    assert (poll.drafts["liar"].pieces, poll.drafts["liar"].why) == ([], "empty")


async def test_when_all_fail_their_error_is_raised():
    with pytest.raises(EngineLost, match="gone"):
        await vote(EngineLost("gone"), EngineLost("gone"))


async def test_where_no_answer_is_valid_the_text_is_given_and_its_call_behind_it():
    call = '<tool_call>{"name": "read", "arguments": {}}</tool_call>'
    parts, _ = await vote(["I read.", call], ["I read.", call], ["Reading.", call])
    assert text_of(parts) == "I read."
    calls = [p.piece for p in parts if isinstance(p, Say) and isinstance(p.piece, ToolCall)]
    assert calls == [ToolCall("call_1", "read", "{}")]
    verdict = verdict_of(parts)
    assert (verdict.decided_by, verdict.valid, verdict.abstained) == ("none valid", 0, 3)
    assert [p.reason for p in parts if isinstance(p, End)] == ["tool_calls"]


NO_TOOL = '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'
NO_PATH = '<tool_call>{"name": "read", "arguments": {"x": 1}}</tool_call>'
PATH_IS_MISSING: dict[str, Any] = {"checks": {"read": lambda _: "path is missing"}}


async def test_where_all_call_an_unknown_tool_the_call_is_given():
    parts, _ = await vote([NO_TOOL], [NO_TOOL], [NO_PATH], **PATH_IS_MISSING)
    calls = [p.piece for p in parts if isinstance(p, Say) and isinstance(p.piece, ToolCall)]
    assert calls == [ToolCall("call_1", "rm", "{}")]
    assert [p.reason for p in parts if isinstance(p, End)] == ["tool_calls"]
    verdict = verdict_of(parts)
    assert (verdict.decided_by, verdict.valid, verdict.abstained) == ("none valid", 0, 3)
    assert [w.why for w in verdict.workers] == [
        "there is no tool 'rm'", "there is no tool 'rm'", "read: path is missing"
    ]  # fmt: skip


async def test_where_all_calls_have_wrong_arguments_the_call_is_given_as_text():
    parts, _ = await vote([NO_PATH], [NO_PATH], [NO_TOOL], **PATH_IS_MISSING)
    assert text_of(parts) == NO_PATH
    assert not any(isinstance(p, Say) and isinstance(p.piece, ToolCall) for p in parts)
    assert [p.reason for p in parts if isinstance(p, End)] == ["stop"]
    assert verdict_of(parts).decided_by == "none valid"


async def test_where_a_required_call_has_wrong_arguments_it_is_given_as_text_too():
    parts, _ = await vote([NO_TOOL], [NO_PATH], [NO_TOOL], must_call=True, **PATH_IS_MISSING)
    assert not [p for p in parts if isinstance(p, Say) and isinstance(p.piece, ToolCall)]
    assert text_of(parts) == NO_PATH
    assert [p.reason for p in parts if isinstance(p, End)] == ["stop"]
    verdict = verdict_of(parts)
    assert (verdict.decided_by, verdict.valid, verdict.abstained) == ("none valid", 0, 3)
    assert verdict.workers[1].why == "read: path is missing"


async def test_where_a_call_was_required_one_of_an_unknown_tool_is_no_answer():
    with pytest.raises(GenerationFailed, match="valid"):
        await vote([NO_TOOL], [NO_TOOL], must_call=True, **PATH_IS_MISSING)


async def test_where_a_form_was_asked_for_a_wrong_call_is_no_answer():
    with pytest.raises(GenerationFailed, match="valid"):
        await vote([NO_TOOL], [NO_PATH], wanted=lambda _: "no JSON", **PATH_IS_MISSING)


async def test_where_a_call_was_asked_for_a_text_is_no_answer():
    with pytest.raises(GenerationFailed, match="valid"):
        await vote(["I will."], ["I will."], must_call=True)


@pytest.mark.parametrize("rules", [{}, {"must_call": True}, {"wanted": lambda _: "no JSON"}])
async def test_where_all_are_cut_while_they_think_one_is_given_as_far_as_it_came(
    rules: dict[str, Any],
):
    parts, _ = await vote(["<think>one ", "two"], ["<think>one"], finish="length", **rules)
    assert text_of(parts) == ""
    assert reasoning_of(parts).startswith("one")
    assert [p.reason for p in parts if isinstance(p, End)] == ["length"]
    assert (verdict_of(parts).decided_by, verdict_of(parts).valid) == ("none valid", 0)


async def test_where_all_end_without_a_word_so_does_the_answer():
    """As after the last result of a tool, when there is nothing to add."""
    parts, _ = await vote(["<think>done</think>"], [" "], [""])
    assert text_of(parts).strip() == ""
    assert [p.reason for p in parts if isinstance(p, End)] == ["stop"]
    assert (verdict_of(parts).decided_by, verdict_of(parts).valid) == ("none valid", 0)


async def test_what_the_winner_thought_goes_out_before_its_text():
    said = ["The sum ", "is ", "12"]
    parts, _ = await vote(["<think>a</think>", *said], ["<think>b</think>", *said], said)
    pieces = [part.piece for part in parts if isinstance(part, Say)]
    thought = [at for at, piece in enumerate(pieces) if isinstance(piece, Reasoning)]
    assert thought in ([], [0])
    assert text_of(parts) == "The sum is 12"


async def test_who_is_cut_while_thinking_does_not_win_over_a_text():
    parts, _ = await vote(
        ["<think>one"], ["<think>one"], ["<think>o</think>", "It is"], finish="length"
    )
    assert text_of(parts) == "It is"
    assert verdict_of(parts).winner == "v2"


LOOPS: list[Script] = [["Red: ", *["and so on "] * 40], ["Blue: ", *["on and on "] * 60]]


@pytest.mark.parametrize("scripts", [LOOPS, LOOPS[::-1]])
async def test_where_no_answer_is_valid_what_has_gone_out_is_gone_on_with(scripts: list[Script]):
    parts, _ = await vote(*scripts)
    assert text_of(parts) == "".join(LOOPS[1])  # the longer one was alone for a while
    assert verdict_of(parts).winner == f"v{scripts.index(LOOPS[1])}"


async def test_where_nobody_can_go_on_with_what_has_gone_out_that_is_an_error():
    async def broken() -> AsyncGenerator[list[Heard]]:
        yield [("v1", Began(5, 0))]
        for _ in range(60):
            await asyncio.sleep(0)
            yield [("v1", Said((Text("on and "),), 1))]
        raise EngineLost("gone")

    poll = Poll([Voter("v0"), Voter("v1")], Rules(seed="s"), call_id=str)
    looping = speak(["v0"], [LOOPS[0]], [])
    course = collect(poll, [looping, broken()], [["v0"], ["v1"]], clock=Clock())
    with pytest.raises(GenerationFailed, match="already"):
        [step async for step in voted(poll, course, clock=Clock())]
    assert poll.said.startswith("on and ")


def news(*pieces: Call | Text, finish: FinishReason = "stop") -> list[Said | Ended]:
    said = [Said((piece,), 1, calling=isinstance(piece, Call)) for piece in pieces]
    return [*said, Ended(finish, len(pieces))]


WRONG = news(Call("read", '{"x": 1}'), finish="tool_calls")
UNKNOWN = news(Call("rm", "{}"), finish="tool_calls")
BROKEN = news(Text("Let me see "), Text("what "), Text("there "))[:-1]
PLAIN = news(Text("Sure, I "), Text("will "), Text("read it."))


async def body_of(
    first: list[Said | Ended], then: list[Said | Ended], **rules: Any
) -> tuple[dict[str, Any], Verdict]:
    """The object of three answers, of which two are the same; the second begins when the first
    is through. One that does not end breaks off."""
    through = asyncio.Event()

    async def says(
        voter: str, said: list[Said | Ended], *, wait: bool
    ) -> AsyncGenerator[list[Heard]]:
        yield [(voter, Began(5, 0))]
        if wait:
            await through.wait()
        for each in said:
            await asyncio.sleep(0)
            yield [(voter, each)]
        await asyncio.sleep(0)
        through.set()
        if not isinstance(said[-1], Ended):
            raise EngineLost("gone")
        await asyncio.Event().wait()

    scripts = [first, then, then] if first in (BROKEN, PLAIN) else [first, first, then]
    names = [f"v{at}" for at in range(3)]
    poll = Poll(
        [Voter(name) for name in names], Rules("s", **PATH_IS_MISSING, **rules), call_id=str
    )
    waits = [said is then for said in scripts]
    proposals = [says(n, s, wait=w) for n, s, w in zip(names, scripts, waits, strict=True)]
    course = collect(poll, proposals, [[name] for name in names], clock=Clock())
    async with asyncio.timeout(10):
        return await whole(voted(poll, course, clock=Clock()), named_envelope("chatcmpl", "m"))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("first", "then"), [(WRONG, PLAIN), (PLAIN, WRONG)])
async def test_where_a_call_is_required_no_text_goes_out_that_cannot_win(
    first: list[Said | Ended], then: list[Said | Ended], streamed: bool
):
    body, verdict = await body_of(first, then, must_call=True, streamed=streamed)
    [choice] = body["choices"]
    assert choice["message"]["content"] == NO_PATH
    assert (verdict.decided_by, verdict.abstained) == ("none valid", 3)


@pytest.mark.parametrize(("first", "then"), [(UNKNOWN, BROKEN), (BROKEN, UNKNOWN)])
async def test_an_answer_that_is_given_whole_is_held_to_no_text_before_it_is_decided(
    first: list[Said | Ended], then: list[Said | Ended]
):
    body, verdict = await body_of(first, then, streamed=False)
    [choice] = body["choices"]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["rm"]
    assert (verdict.decided_by, verdict.abstained) == ("none valid", 3)


SPOKEN = st.tuples(
    st.lists(st.sampled_from(["a ", "b ", "c"]), max_size=6),
    st.sampled_from([[], ["and so on "] * 30, ["on and on "] * 30]),
)


@given(
    st.lists(SPOKEN, min_size=1, max_size=4),
    st.sampled_from(["stop", "length"]),
    st.sampled_from(["exact", "all", "first"]),
)
def test_what_goes_out_is_one_answer_from_beginning_to_end(
    spoken: list[tuple[list[str], list[str]]], finish: FinishReason, decide: str
):
    scripts: list[Script] = [[*words, *loop] for words, loop in spoken]
    if finish == "stop" and not any("".join(script).strip() for script in scripts):  # type: ignore[arg-type]
        return
    parts, _ = asyncio.run(vote(*scripts, finish=finish, decide=decide))
    [end] = [part for part in parts if isinstance(part, End)]
    assert text_of(parts) == end.draft.text


@pytest.mark.parametrize(
    "error", [ContextOverflow(9, 8), Overloaded("busy"), EngineLost("gone")], ids=repr
)
async def test_where_the_judge_fails_the_count_decides_and_that_is_said(error: SwarmError):
    async def judge(_: list[Candidate]) -> int:
        raise error

    parts, _ = await vote(["Answer: 1"], ["Answer: 2"], ["Answer: 1"], decide="all", judge=judge)
    assert text_of(parts) == "Answer: 1"
    assert (verdict_of(parts).decided_by, verdict_of(parts).note) == ("all", NO_PICK)


async def test_a_judge_has_no_longer_than_the_request():
    ended: list[str] = []

    async def judge(_: list[Candidate]) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("judge")
        return 0

    async with asyncio.timeout(10):
        parts, _ = await vote(
            ["Answer: 1"], ["Answer: 2"], ["Answer: 1"], decide="all", judge=judge, deadline_s=0.02
        )
    assert ended == ["judge"]
    assert text_of(parts) == "Answer: 1"
    assert verdict_of(parts).note == NO_PICK


async def test_n_best_distinct_answers():
    scripts: list[Script] = [["Answer: 1"], ["Answer: 2"], ["Answer: 1"], ["Answer: 3"]]
    parts, _ = await vote(*scripts, n=2, decide="all")
    assert text_of(parts, 0) == "Answer: 1"
    assert text_of(parts, 1) in ("Answer: 2", "Answer: 3")
    assert [p.index for p in parts if isinstance(p, End)] == [0, 1]


async def test_an_answer_that_is_repeated_has_calls_with_ids_of_their_own():
    call = ['<tool_call>{"name": "read", "arguments": {"path": "a"}}</tool_call>']
    parts, _ = await vote(call, n=3, checks={"read": lambda _: None})
    calls = [p.piece for p in parts if isinstance(p, Say) and isinstance(p.piece, ToolCall)]
    assert [(each.name, each.arguments) for each in calls] == [("read", '{"path": "a"}')] * 3
    assert len({each.id for each in calls}) == 3


async def test_the_course_of_the_vote_is_told_when_it_changes():
    parts, _ = await vote(["a"], ["b"], ["a"], decide="all")
    lines = [part.line for part in parts if isinstance(part, Progress)]
    assert lines[0] == "0 of 3 workers have answered"
    assert lines[1].startswith("1 of 3 workers have answered (v")
    assert "50% of the weight for 'a'" in lines[2] or "100% of the weight" in lines[2]
    assert len(lines) == len(set(lines))


async def test_of_many_workers_not_each_is_worth_a_line_or_a_name():
    parts, _ = await vote(*[["Answer: 1"]] * 100, decide="all")
    lines = [part.line for part in parts if isinstance(part, Progress)]
    assert lines[0] == "0 of 100 workers have answered"
    assert 10 < len(lines) < 20
    assert "v10, v11, 6 others); 100% of the weight for 'Answer: 1'" in lines[3]


async def test_a_worker_that_fails_in_silence_does_not_hold_the_others_text_back():
    parts, _ = await vote(
        EngineLost("gone"), ["The sum ", "is ", "twelve."], ["The sum ", "is ", "thirteen."]
    )
    first = next(at for at, part in enumerate(parts) if isinstance(part, Say))
    assert isinstance(parts[first], Say)
    assert not any(isinstance(part, End) for part in parts[:first])
    assert len([part for part in parts if isinstance(part, Say)]) > 1


async def test_a_vote_that_takes_long_tells_how_far_the_workers_are():
    clock = Clock()
    poll = Poll(
        [Voter("v0"), Voter("v1")],
        Rules(seed="s"),
        call_id=str,
    )

    async def slow() -> AsyncGenerator[list[Heard]]:
        yield [(voter, Began(1, 0)) for voter in poll.drafts]
        for step in range(4):
            while poll.drafts["v0"].tokens < 3 * step:  # noqa: ASYNC110 - it has no event for it
                await asyncio.sleep(0)
            clock.now += 1.0
            yield [(voter, Said((Text("so "),), 3)) for voter in poll.drafts]
        yield [(voter, Ended("stop", 12)) for voter in poll.drafts]

    course = collect(poll, [slow()], [["v0", "v1"]], clock=clock)
    parts = [part async for step in voted(poll, course, clock=clock) for part in step]
    lines = [part.line for part in parts if isinstance(part, Progress)]
    assert "0 of 2 workers have answered; tokens of those who generate v0: 9, v1: 9" in lines


async def test_at_the_deadline_those_who_have_answered_decide():
    clock = Clock()
    poll = Poll([Voter("quick"), Voter("slow")], Rules(seed="s", deadline_s=5), call_id=str)

    async def quick() -> AsyncGenerator[list[Heard]]:
        yield [("quick", Began(1, 0)), ("quick", Said((Text("yes"),), 1))]
        yield [("quick", Ended("stop", 1))]

    async def slow() -> AsyncGenerator[list[Heard]]:
        yield [("slow", Began(1, 0))]
        while not poll.votes:  # noqa: ASYNC110 - the poll has no event for it
            await asyncio.sleep(0)
        clock.now = 6.0
        yield [("slow", Said((Text("no"),), 1))]
        await asyncio.Event().wait()

    course = collect(poll, [quick(), slow()], [["quick"], ["slow"]], clock=clock)
    parts = [part async for step in voted(poll, course, clock=clock) for part in step]
    assert verdict_of(parts).decided_by == "deadline"
    assert text_of(parts) == "yes"


async def at_the_deadline(said: Script, **rules: Any) -> list[Part]:
    """All parts of a vote of two, of whom only one ends before its time is over."""
    clock = Clock()
    poll = Poll(
        [Voter("quick"), Voter("silent")], Rules(seed="s", deadline_s=5, **rules), call_id=str
    )

    async def silent() -> AsyncGenerator[list[Heard]]:
        yield [("silent", Began(1, 0))]
        while poll.drafts["quick"].open and said:  # noqa: ASYNC110 - the poll has no event for it
            await asyncio.sleep(0)
        clock.now = 6.0
        yield [("silent", Said((Text("no"),), 1))]
        await asyncio.Event().wait()

    quick = speak(["quick"], [said or EngineLost("gone")], [])
    course = collect(poll, [quick, silent()], [["quick"], ["silent"]], clock=clock)
    return [part async for step in voted(poll, course, clock=clock) for part in step]


async def test_at_the_deadline_the_text_is_given_too_where_no_answer_is_valid():
    parts = await at_the_deadline(LOOPS[0])
    assert text_of(parts) == "".join(LOOPS[0])  # type: ignore[arg-type]
    verdict = verdict_of(parts)
    assert (verdict.decided_by, verdict.winner) == ("none valid", "quick")
    assert (verdict.valid, verdict.abstained, verdict.cancelled) == (0, 1, 1)


async def test_at_the_deadline_it_is_said_whether_anybody_has_answered():
    with pytest.raises(GenerationFailed, match="no worker gave a valid answer within 5 s"):
        await at_the_deadline(["I will."], must_call=True)
    with pytest.raises(GenerationFailed, match="no worker has answered within 5 s"):
        await at_the_deadline([])


async def lead(*scripts: Script, finish: FinishReason = "stop", **rules: Any) -> list[Part]:
    """All parts of an answer by a leader."""
    clock = Clock()
    names = [f"v{at}" for at in range(len(scripts))]
    poll = Poll(
        [Voter(name) for name in names],
        Rules(seed="s", checks={"read": lambda _: None}, **rules),
        call_id=lambda: "call_1",
    )
    proposals = {n: speak([n], [s], [], finish) for n, s in zip(names, scripts, strict=True)}
    return [part async for step in led(poll, proposals, clock=clock) for part in step]


async def test_the_first_of_the_most_frequent_kind_leads():
    call = '<tool_call>{"name": "read", "arguments": {}}</tool_call>'
    parts = await lead(["no ", "call"], [call], [call])
    assert verdict_of(parts).winner == "v1"
    assert verdict_of(parts).support == pytest.approx(2 / 3, abs=1e-3)
    assert [p.reason for p in parts if isinstance(p, End)] == ["tool_calls"]


async def test_one_worker_alone_is_heard_while_it_thinks():
    parts = await lead(["<think>", "first ", "then ", "</think>", "It ", "is."])
    pieces = [part.piece for part in parts if isinstance(part, Say)]
    assert [type(piece) for piece in pieces[:2]] == [Reasoning, Reasoning]
    assert (reasoning_of(parts).strip(), text_of(parts)) == ("first then", "It is.")
    poll = Poll([Voter("v0")], Rules(seed="s"), call_id=str)

    async def thinking() -> AsyncGenerator[list[Heard]]:
        yield [("v0", Began(5, 0)), ("v0", Said((Reasoning("well "),), 1))]
        await asyncio.Event().wait()

    steps = led(poll, {"v0": thinking()}, clock=Clock())
    async with asyncio.timeout(10):
        said = [await anext(steps), await anext(steps)][1]
    await steps.aclose()
    assert said == [Say(0, Reasoning("well "))]


async def test_of_several_that_think_none_leads_before_it_speaks():
    parts = await lead(["<think>a ", "b</think>", "so ", "it is"], ["yes ", "it is ", "so"])
    assert reasoning_of(parts) in ("", "a b")
    assert text_of(parts) in ("so it is", "yes it is so")


@pytest.mark.parametrize("voters", [1, 3])
async def test_a_leader_that_is_cut_while_it_thinks_is_given_as_far_as_it_came(voters: int):
    parts = await lead(*[["<think>one ", "two"]] * voters, finish="length")
    assert (reasoning_of(parts), text_of(parts)) == ("one two", "")
    assert [p.reason for p in parts if isinstance(p, End)] == ["length"]
    assert verdict_of(parts).decided_by == ("leader" if voters > 1 else "only one")


@pytest.mark.parametrize("scripts", [[[" "], ["\n"]], [[" "]], [["<think>done</think>"], [""]]])
async def test_where_nobody_that_may_lead_says_a_word_the_answer_is_empty(scripts: list[Script]):
    parts = await lead(*scripts)
    assert text_of(parts).strip() == ""
    assert [p.reason for p in parts if isinstance(p, End)] == ["stop"]
    assert verdict_of(parts).abstained > 0


@pytest.mark.parametrize("rules", [{"must_call": True}, {"wanted": lambda _: "no JSON"}])
async def test_where_a_call_or_a_form_was_asked_for_a_leader_that_says_nothing_is_an_error(
    rules: dict[str, Any],
):
    with pytest.raises(GenerationFailed):
        await lead([" "], ["\n"], **rules)
    with pytest.raises(GenerationFailed):
        await lead([" "], **rules)


async def test_who_fails_before_it_begins_does_not_lead():
    parts = await lead(EngineLost("gone"), ["yes ", "it is"])
    assert text_of(parts) == "yes it is"
    assert verdict_of(parts).winner == "v1"


async def test_a_leader_that_fails_in_the_middle_is_an_error():
    async def broken() -> AsyncGenerator[list[Heard]]:
        yield [("v0", Began(5, 0)), ("v0", Said((Text("yes "),), 1))]
        raise EngineLost("gone")

    poll = Poll([Voter("v0")], Rules(seed="s"), call_id=str)
    with pytest.raises(EngineLost, match="gone"):
        [part async for part in led(poll, {"v0": broken()}, clock=Clock())]


async def test_when_nobody_can_lead_the_last_error_is_raised():
    with pytest.raises(EngineLost, match="gone"):
        await lead(EngineLost("gone"), EngineLost("gone"))


async def test_a_bug_in_a_proposer_is_seen_at_once():
    async def broken() -> AsyncGenerator[list[Heard]]:
        yield [("v0", Began(5, 0))]
        raise ZeroDivisionError

    def poll() -> Poll:
        return Poll([Voter("v0")], Rules(seed="s"), call_id=str)

    course = collect(box := poll(), [broken()], [["v0"]], clock=Clock())
    with pytest.raises(ZeroDivisionError):
        [part async for part in voted(box, course, clock=Clock())]
    with pytest.raises(ZeroDivisionError):
        [part async for part in led(poll(), {"v0": broken()}, clock=Clock())]
