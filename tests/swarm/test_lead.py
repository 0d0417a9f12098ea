"""Who leads, when, and what it counts: weights, silence, failures, the deadline."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.answer import End, Part, Progress, Say
from swarm.arrivals import Heard
from swarm.chat.calls import Call
from swarm.chat.completion import Reasoning, Text
from swarm.collect import Draft, Piece, Poll, Rules
from swarm.consensus.tally import Voter
from swarm.errors import EngineLost, GenerationFailed
from swarm.lead import leader_of, led, opening, share_of, waited_until
from swarm.proposer import Began, Ended, Lost, News, Said
from swarm.types import ToolCall, Verdict


class Clock:
    """A clock that stands still unless it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def draft(number: int, kind: str | None, weight: int = 1) -> Draft:
    voter = Voter(f"v{number}", weight=Fraction(weight))
    made = Draft(voter, "generating")
    made.text, made.calling = ("yes" if kind == "text" else ""), kind == "tools"
    return made


Speaker = Callable[[str, Clock], AsyncGenerator[list[Heard]]]


def speaker(
    *pieces: Piece, at_s: float = 0.0, calling: bool = False, then: str = "end", turns: int = 0
) -> Speaker:
    """Says its pieces, the clock being so far when it does; then it ends, fails or hangs."""

    async def speaks(voter: str, clock: Clock) -> AsyncGenerator[list[Heard]]:
        yield [(voter, Began(5, 0))]
        for _ in range(turns):
            await asyncio.sleep(0)
        clock.now = max(clock.now, at_s)
        yield [(voter, Said(pieces, len(pieces), calling=calling))]
        if then == "fail":
            raise EngineLost("gone")
        if then == "hang":
            await asyncio.Event().wait()
        yield [(voter, Ended("stop", len(pieces)))]

    return speaks


YES = speaker(Text("yes it is"))
HANGS = speaker(then="hang")
CALLS = speaker(calling=True, then="hang")


async def lead(
    *speakers: Speaker,
    weights: tuple[int, ...] = (),
    deadline_s: float = 300.0,
    rules: Rules | None = None,
) -> list[Part]:
    clock = Clock()
    names = [f"v{at}" for at in range(len(speakers))]
    voters = [
        Voter(name, weight=Fraction(weights[at] if weights else 1)) for at, name in enumerate(names)
    ]
    poll = Poll(voters, rules or Rules(seed="s", deadline_s=deadline_s), call_id=lambda: "call_1")
    proposals = {name: speaks(name, clock) for name, speaks in zip(names, speakers, strict=True)}
    async with asyncio.timeout(10):
        return [part async for step in led(poll, proposals, clock=clock) for part in step]


def verdict_of(parts: list[Part]) -> Verdict:
    [verdict] = [part for part in parts if isinstance(part, Verdict)]
    return verdict


def told(parts: list[Part]) -> tuple[list[Piece], str, str]:
    """What was said, and how and why it ended."""
    said = [part.piece for part in parts if isinstance(part, Say)]
    [end] = [part for part in parts if isinstance(part, End)]
    return said, end.reason, verdict_of(parts).decided_by  # type: ignore[return-value]


async def test_a_kind_that_cannot_be_overtaken_leads_though_others_are_silent() -> None:
    parts = await lead(HANGS, YES, YES, YES, HANGS)
    assert told(parts) == ([Text("yes it is")], "stop", "leader")
    assert verdict_of(parts).winner == "v1"


async def test_a_silent_voter_is_waited_for_no_longer_than_a_grace() -> None:
    later = speaker(Reasoning("well"), at_s=0.3, then="hang", turns=20)
    parts = await lead(YES, CALLS, later, weights=(2, 1, 1))
    assert told(parts) == ([Text("yes it is")], "stop", "leader")


async def test_a_stronger_voter_that_is_silent_is_waited_for() -> None:
    call = speaker(calling=True, at_s=1.5, turns=20, then="hang")
    clock_on = speaker(Text("no"), at_s=1.0, turns=5)
    parts = await lead(clock_on, YES, call, weights=(1, 1, 3), deadline_s=1.0)
    assert verdict_of(parts).winner == "v0"  # late: of those that have begun
    parts = await lead(clock_on, YES, call, weights=(1, 1, 3), deadline_s=2.0)
    assert verdict_of(parts).winner == "v2"


async def test_at_the_deadline_one_of_those_that_have_begun_leads() -> None:
    begun = speaker(Text("yes it"), at_s=5.0, then="hang")
    parts = await lead(HANGS, begun, HANGS, deadline_s=5.0)
    assert told(parts) == ([Text("yes it")], "length", "deadline")
    assert verdict_of(parts).winner == "v1"


async def test_a_whole_answer_that_is_there_at_the_deadline_is_given_whole() -> None:
    late = speaker(Reasoning("hm"), at_s=5.0, then="hang", turns=20)
    assert told(await lead(HANGS, YES, late, deadline_s=5.0)) == (
        [Text("yes it is")], "stop", "deadline",
    )  # fmt: skip


async def test_at_the_deadline_a_leader_ends_as_far_as_it_came() -> None:
    parts = await lead(speaker(Text("one two"), at_s=9.0, then="hang"), deadline_s=9.0)
    assert told(parts) == ([Text("one two")], "length", "deadline")
    parts = await lead(*[speaker(Reasoning("one"), at_s=9.0, then="hang")] * 2, deadline_s=9.0)
    assert told(parts) == ([Reasoning("one")], "length", "deadline")


async def test_where_nothing_was_said_the_deadline_is_an_error() -> None:
    silent = speaker(at_s=9.0, then="hang")
    with pytest.raises(GenerationFailed, match="within 9 s"):
        await lead(silent, silent, deadline_s=9.0)


async def test_the_leaders_share_is_by_weight() -> None:
    weighed = [draft(0, "text"), draft(1, "text"), draft(2, "tools", 3)]
    assert leader_of(weighed) is weighed[2]
    assert share_of(weighed[2], weighed) == 0.6
    texts = await lead(CALLS, speaker(Text("yes")), speaker(Text("no")), weights=(2, 2, 1))
    assert (verdict_of(texts).winner, verdict_of(texts).support) == ("v1", 0.6)
    assert verdict_of(texts).margin == 0.2


async def test_who_has_failed_has_no_share() -> None:
    failing = speaker(calling=True, then="fail")
    parts = await lead(speaker(Text("yes"), turns=20), failing, failing, weights=(3, 1, 1))
    assert told(parts) == ([Text("yes")], "stop", "leader")
    assert (verdict_of(parts).support, verdict_of(parts).margin) == (1.0, 1.0)


async def test_one_voter_is_the_only_one() -> None:
    parts = await lead(YES)
    assert told(parts) == ([Text("yes it is")], "stop", "only one")
    assert isinstance(parts[-1], Verdict)
    assert parts[-1].strategy == "one worker"
    assert parts[0] == Progress("a worker begins")


async def test_those_that_do_not_lead_are_told_as_cancelled() -> None:
    parts = await lead(YES, YES, HANGS)
    assert parts[0] == Progress("3 workers begin")
    verdict = verdict_of(parts)
    assert (verdict.asked, verdict.valid, verdict.cancelled) == (3, 1, 2)


def test_a_call_is_the_opening_of_one_whether_or_not_it_was_said_to_begin() -> None:
    called = draft(0, None)
    assert opening(called) is None
    called.write(ToolCall("1", "a", "{}"))
    assert opening(called) == "tools"
    said = draft(1, "text")
    assert opening(said) == "text"
    said.calling = True
    assert opening(said) == "tools"


BALLOTS = st.lists(
    st.tuples(st.sampled_from(["text", "tools", None]), st.integers(1, 4)), min_size=1, max_size=7
)


@given(BALLOTS, st.data())
def test_whatever_the_silent_say_a_kind_that_leads_leads_in_the_end(
    ballots: list[tuple[str | None, int]], data: st.DataObject
) -> None:
    begun = [draft(at, kind, weight) for at, (kind, weight) in enumerate(ballots)]
    early = leader_of(begun)
    ended = [
        draft(at, kind or data.draw(st.sampled_from(["text", "tools"])), weight)
        for at, (kind, weight) in enumerate(ballots)
    ]
    last = leader_of(ended)
    assert last is not None
    if early is not None:
        assert opening(early) == opening(last)
    due = leader_of(begun, due=True)
    assert (due is None) == all(kind is None for kind, _ in ballots)
    assert share_of(last, ended) >= 0.5


@given(BALLOTS, st.lists(st.floats(0.01, 50), min_size=7, max_size=7))
def test_nobody_who_is_silent_is_waited_for_without_end(
    ballots: list[tuple[str | None, int]], times: list[float]
) -> None:
    able = [draft(at, kind, weight) for at, (kind, weight) in enumerate(ballots)]
    opened_s = {d.voter.id: at for d, at in zip(able, times, strict=False) if opening(d)}
    until = waited_until(able, opened_s, 20.0)
    if opened_s:
        assert min(opened_s.values()) <= until <= max(opened_s.values()) + 20.0 + 0.25


@pytest.mark.parametrize(
    ("weights", "opened", "patience_s", "until"),
    [
        ((1, 1, 1), (1.0, 2.0), 20.0, 2.75),  # most have begun: a grace, half of the usual time
        ((1, 1, 1), (0.1, 0.1), 20.0, 0.35),  # a quarter of a second at least
        ((1, 1, 1), (3.0, 1.0), 20.0, 4.0),
        ((1, 1, 3), (1.0, 2.0), 20.0, 4.0),  # the strongest is silent: as long again
        ((1, 1, 3), (1.0, 2.0), 0.5, 2.5),
        ((3, 1, 3), (1.0, 2.0), 20.0, 2.75),  # one that is as strong has begun
        ((1, 1), (1.0,), 20.0, 21.0),  # half are silent: patience
        ((1, 1, 1), (1.0,), 0.0, 1.25),
        ((1, 1, 1), (1.0, 9.0), 5.0, 6.0),  # most came late: no longer than patience either
        ((1, 1), (), 20.0, math.inf),
    ],
)
def test_the_silent_are_waited_for_by_the_rules_of_a_vote(
    weights: tuple[int, ...], opened: tuple[float, ...], patience_s: float, until: float
) -> None:
    able = [draft(at, None, weight) for at, weight in enumerate(weights)]
    opened_s = {f"v{at}": when for at, when in enumerate(opened)}
    assert waited_until(able, opened_s, patience_s) == pytest.approx(until)


async def test_at_the_deadline_the_first_of_those_that_think_leads() -> None:
    one, two = (speaker(Reasoning(word), at_s=9.0, then="hang") for word in ("one", "two"))
    parts = await lead(one, two, deadline_s=9.0)
    assert told(parts) == ([Reasoning("one")], "length", "deadline")
    assert verdict_of(parts).winner == "v0"


async def test_a_silent_one_does_not_lead_at_the_deadline_though_it_is_the_first() -> None:
    thinks = speaker(Reasoning("hm"), at_s=9.0, then="hang")
    parts = await lead(HANGS, thinks, HANGS, deadline_s=9.0)
    assert verdict_of(parts).winner == "v1"


async def test_where_nobody_has_begun_in_time_nothing_was_given() -> None:
    """So that the client gets a status, and no stream that breaks off."""
    clock, parts = Clock(), list[Part]()
    poll = Poll([Voter("v0")], Rules(seed="s", deadline_s=0.2), call_id=str)

    async def busy() -> AsyncGenerator[list[Heard]]:
        clock.now = 0.2
        await asyncio.Event().wait()
        yield []

    async def listen() -> None:
        async for step in led(poll, {"v0": busy()}, clock=clock):
            parts.extend(step)

    with pytest.raises(GenerationFailed, match="within"):
        await listen()
    assert parts == []


def test_of_kinds_of_equal_weight_the_first_leads_once_nobody_is_silent() -> None:
    even = [draft(0, "text"), draft(1, "tools")]
    assert leader_of(even) is even[0]
    assert leader_of([*even, draft(2, None)]) is None
    assert leader_of([*even, draft(2, None)], due=True) is even[0]
    assert leader_of([even[0], draft(2, None)]) is None, "a silent half may make it a tie"
    assert leader_of([draft(0, "text", 2), draft(2, None)]) is not None


def test_the_last_one_leads_as_soon_as_it_thinks() -> None:
    thinks = draft(0, None)
    thinks.reasoning = " \n"
    assert leader_of([thinks]) is None
    thinks.reasoning = " hm"
    assert leader_of([thinks]) is thinks
    assert leader_of([thinks, draft(1, None)]) is None


PATH = {"read": lambda arguments: None if "path" in arguments else "path is missing"}
INVALID: list[tuple[Piece, Rules]] = [
    (ToolCall("", "read", '{"x": 1}'), Rules("s", checks=PATH)),
    (ToolCall("", "read", '{"x": 1}'), Rules("s", checks=PATH, must_call=True)),
    (Text("I will read it."), Rules("s", checks=PATH, must_call=True)),
    (Text("The a is 1."), Rules("s", wanted=lambda _: "the text is not JSON")),
    (Reasoning("well"), Rules("s", wanted=lambda _: "the text is not JSON")),
]


async def led_by_news(rules: Rules, *steps: list[News], others: int = 0) -> list[Part]:
    """The parts of an answer by workers that all say one step after the other."""

    async def speaks(voter: str, _: Clock) -> AsyncGenerator[list[Heard]]:
        for step in steps:
            await asyncio.sleep(0)
            yield [(voter, news) for news in step]

    return await lead(*[speaks] * (1 + others), rules=rules)


def news_of(piece: Piece) -> list[News]:
    calling = isinstance(piece, ToolCall)
    said = Call(piece.name, piece.arguments) if calling else piece
    return [Began(5, 0), Said((said,), 3, calling=calling), Ended("stop", 3)]


@pytest.mark.parametrize(("piece", "rules"), INVALID)
async def test_an_invalid_answer_is_given_whether_it_comes_at_once_or_in_pieces(
    piece: Piece, rules: Rules
) -> None:
    news = news_of(piece)
    at_once = await led_by_news(rules, news)
    in_pieces = await led_by_news(rules, *([each] for each in news))
    assert [part.piece for part in at_once if isinstance(part, Say)] == [
        replace(piece, id="call_1") if isinstance(piece, ToolCall) else piece
    ]
    assert at_once[:-2] == in_pieces[:-2]
    assert verdict_of(at_once) == verdict_of(in_pieces)
    assert verdict_of(at_once).workers[0].state == "abstained"
    several = await led_by_news(rules, news, others=2)
    assert told(several)[:2] == told(at_once)[:2]


@pytest.mark.parametrize("before", [[], [Began(5, 0)], [Began(5, 0), Said((Text("yes"),), 1)]])
async def test_where_the_last_one_is_lost_it_is_told_why(before: list[News]) -> None:
    steps = [[news] for news in [*before, Lost("it broke off")]]
    with pytest.raises(GenerationFailed, match="it broke off"):
        await led_by_news(Rules("s"), *steps)


async def test_of_invalid_answers_one_of_the_heaviest_kind_is_given_at_the_deadline_too() -> None:
    def says(piece: Piece) -> Speaker:
        async def speaks(voter: str, clock: Clock) -> AsyncGenerator[list[Heard]]:
            yield [(voter, news) for news in news_of(piece)]
            clock.now = 5.0

        return speaks

    wrong = ToolCall("", "read", "{}")
    loop = Text("and so on " * 60)
    rules = Rules("s", checks=PATH, deadline_s=5.0)
    parts = await lead(says(loop), says(wrong), says(wrong), HANGS, rules=rules)
    assert told(parts) == ([ToolCall("call_1", "read", "{}")], "stop", "deadline")
    assert verdict_of(parts).winner == "v1"
