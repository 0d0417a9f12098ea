"""What becomes of what voters say, event by event; what is told where all fail."""

import asyncio
from collections.abc import AsyncGenerator
from functools import reduce
from itertools import permutations

import pytest

from swarm.arrivals import Heard
from swarm.chat.arguments import checks_of
from swarm.chat.calls import Arguments, Call
from swarm.chat.completion import Reasoning, Text
from swarm.collect import Draft, Poll, Rules, collect
from swarm.consensus.tally import Voter
from swarm.consensus.validity import not_json
from swarm.errors import (
    ContextOverflow,
    EngineLost,
    EngineNotReady,
    FixedOverflow,
    GenerationFailed,
    InvalidRequest,
    ModelLoadFailed,
    Overloaded,
    PeerLate,
    PeerRefused,
    PeerTimedOut,
    PeerUnreachable,
    SwarmError,
    UntrustedPeer,
    to_tell,
)
from swarm.proposer import Began, Ended, Lost, Said
from swarm.types import Candidate, FinishReason, TokenLogprob, ToolCall, ToolSpec

NOTHING = GenerationFailed("no worker gave a valid answer")
READ = ToolSpec("read", "", {"type": "object", "properties": {"path": {"type": "string"}}})
LOST = EngineLost("gone")
BROKEN, BUSY = GenerationFailed("it broke off"), Overloaded("busy", retry_after_s=3)
WRONG, LONG = InvalidRequest("no such word"), ContextOverflow(9, 8)
FIXED = FixedOverflow(9, 4)
PASSING = [
    BUSY,
    EngineNotReady("it is being loaded"),
    LOST,
    PeerUnreachable("nobody there"),
    PeerTimedOut("silent"),
    PeerLate("slow"),
    PeerRefused("it is being loaded", status=503),
]
LASTING = [BROKEN, ModelLoadFailed("damaged"), PeerRefused("no", status=403), UntrustedPeer("who")]


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ([], NOTHING),
        ([None, BROKEN], BROKEN),
        ([BROKEN, NOTHING], NOTHING),  # the last one
        ([BROKEN, BUSY, BROKEN], BUSY),  # that somebody is only busy comes before
        ([BUSY, LONG], LONG),  # and the request's own fault before that
        ([LONG, BUSY, BROKEN], LONG),
        ([LONG, WRONG], LONG),
        ([BUSY, None], BUSY),
        ([FIXED, FIXED], FIXED),
    ],
)
def test_the_requests_own_fault_is_told_before_others(
    failures: list[SwarmError | None], told: SwarmError
) -> None:
    error: SwarmError = NOTHING
    for failure in failures:
        error = to_tell(error, failure)
    assert error is told


@pytest.mark.parametrize("passing", PASSING, ids=repr)
@pytest.mark.parametrize("lasting", LASTING, ids=repr)
def test_that_one_model_is_too_small_is_told_where_no_other_may_answer_soon(
    passing: SwarmError, lasting: SwarmError
) -> None:
    for failures in permutations([FIXED, lasting]):
        assert reduce(to_tell, failures, NOTHING) is FIXED
    for failures in permutations([FIXED, passing, lasting]):
        assert reduce(to_tell, failures, NOTHING) is passing
    for failures in permutations([FIXED, passing, LONG]):
        assert reduce(to_tell, failures, NOTHING) is LONG


def polled(*names: str, **rules: object) -> Poll:
    voters = [Voter(name) for name in names]
    return Poll(voters, Rules(seed="s", **rules), call_id=lambda: "id")  # type: ignore[arg-type]


def test_a_voter_that_is_lost_is_a_failed_one_and_nobody_waits_for_it() -> None:
    poll = polled("a", "b")
    poll.hear("a", Lost("it broke off"), 1.0)
    assert (poll.drafts["a"].state, poll.drafts["a"].why) == ("failed", "it broke off")
    assert poll.answered == 1


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    "fields", [{}, {"must_call": True}, {"wanted": not_json}], ids=["auto", "required", "wanted"]
)
def test_where_no_answer_is_valid_a_wrong_call_told_beside_the_text_is_given_as_one(
    beside: bool, fields: dict[str, object]
) -> None:
    checks, wrong = checks_of([READ]), Call("read", '{"path": 1}')
    poll = polled("a", checks=checks, may_be_wrong=frozenset({"read"}), **fields)
    poll.hear("a", Began(1, 0), 1.0)
    poll.hear("a", Said((wrong,), 1, calling=True), 2.0)
    poll.hear("a", Ended("tool_calls", 1, beside), 3.0)
    assert poll.drafts["a"].state == "abstained"
    assert poll.admit_invalid() == (beside or "wanted" not in fields)
    calls = [call for vote in poll.votes for call in vote.candidate.tool_calls]
    assert calls == [ToolCall("id", wrong.name, wrong.arguments)] * beside


def test_a_voter_that_is_lost_costs_an_answer_once() -> None:
    poll = polled("a", "b")
    cost = poll.take((0, [("b", Began(1, 0)), ("a", Lost("it broke off"))]), [["a", "b"]], 1.0)
    assert isinstance(cost, GenerationFailed)
    assert str(cost) == "it broke off"
    assert poll.drafts["b"].state == "generating"
    assert poll.take((0, [("a", Lost("once more"))]), [["a", "b"]], 2.0) is None


def test_a_draft_keeps_all_that_its_voter_says_and_how_fast() -> None:
    poll = polled("a", "b")
    sure = TokenLogprob("yes", b"yes", -0.5)
    poll.hear("a", Began(9, 4), 1.0)
    poll.hear("a", Said((Reasoning("hm"),), 2, reasoning_tokens=2), 1.5)
    poll.hear("a", Said((Text("yes"),), 1, logprobs=(sure,)), 2.0)
    poll.hear("a", Said((Call("read", '{"pa'), Arguments('th": 1}')), 3, calling=True), 2.5)
    draft = poll.drafts["a"]
    assert (draft.prompt_tokens, draft.cached_tokens, draft.tokens) == (9, 4, 6)
    assert (draft.reasoning_tokens, draft.logprobs, draft.calling) == (2, [sure], True)
    poll.hear("a", Ended("tool_calls", 7), 3.0)
    assert draft.calls == [ToolCall("id", "read", '{"path": 1}')]
    assert (draft.tokens, draft.tokens_per_s) == (7, 3.5)
    assert (draft.state, draft.why) == ("abstained", "there is no tool 'read'")
    assert (poll.answered, poll.drafts["b"].state) == (1, "waiting")


def test_a_prompt_that_is_counted_in_the_end_is_told_so_and_costs_no_speed() -> None:
    poll = polled("a", "b")
    for voter in ("a", "b"):
        poll.hear(voter, Began(9, 4), 1.0)
    poll.hear("a", Said((Text("yes"),), 4), 2.0)
    poll.hear("a", Ended("stop", 4), 3.0)
    for voter in ("a", "b"):
        poll.hear(voter, Began(6500, 64), 3.0)
    counts = [(draft.prompt_tokens, draft.cached_tokens) for draft in poll.drafts.values()]
    assert counts == [(6500, 64), (6500, 64)]
    assert (poll.drafts["a"].tokens_per_s, poll.drafts["b"].began_s) == (2.0, 1.0)


def test_who_is_cancelled_a_moment_after_it_began_has_no_speed() -> None:
    poll = polled("a")
    poll.hear("a", Began(9, 4), 1.0)
    poll.hear("a", Said((Text("yes"),), 2), 1.00001)
    poll.close()
    draft = poll.drafts["a"]
    assert (draft.state, draft.tokens, draft.tokens_per_s) == ("cancelled", 2, 0.0)


def test_each_call_has_its_own_arguments_and_each_once() -> None:
    poll = polled("a", checks={"read": lambda _: None})
    poll.hear("a", Began(9, 4), 1.0)
    poll.hear("a", Said((Arguments("of no call"), Call("read", "{"), Arguments("}")), 1), 1.0)
    poll.hear("a", Said((Call("read", '{"a"'), Arguments(": 1"), Arguments("}")), 1), 1.0)
    poll.hear("a", Said((Call("read", "{}"),), 1), 1.0)
    poll.hear("a", Ended("tool_calls", 3), 2.0)
    [vote] = poll.votes
    assert [call.arguments for call in vote.candidate.tool_calls] == ["{}", '{"a": 1}', "{}"]


def test_what_a_voter_says_after_its_end_is_not_heard() -> None:
    poll = polled("a", "b")
    for news in (Began(1, 0), Said((Text("yes"),), 1), Ended("stop", 1)):
        poll.hear("a", news, 1.0)
    poll.hear("a", Said((Text(" no"),), 1), 2.0)
    poll.hear("a", Ended("stop", 9), 2.0)
    assert [vote.candidate.text for vote in poll.votes] == ["yes"]
    assert poll.drafts["a"].heard_s == 1.0


def test_only_those_that_are_still_open_are_lost_with_their_proposer() -> None:
    poll = polled("a", "b", "c")
    poll.hear("a", Began(1, 0), 1.0)
    poll.hear("a", Said((Text("yes"),), 1), 1.0)
    poll.hear("a", Ended("stop", 1), 1.0)
    assert poll.take((0, LOST), [["a", "b"], ["c"]], 2.0) is LOST
    assert poll.take((0, LOST), [["a", "b"], ["c"]], 2.0) is None, "it costs no more answers"
    states = [(draft.state, draft.why) for draft in poll.drafts.values()]
    assert states == [("valid", None), ("failed", "gone"), ("waiting", None)]
    with pytest.raises(ZeroDivisionError):
        poll.take((1, ZeroDivisionError()), [["a", "b"], ["c"]], 2.0)


@pytest.mark.parametrize(
    ("text", "calls", "finish", "unsaid"),
    [
        ("", [], "length", True),
        (" \n", [], "length", True),
        ("It", [], "length", False),
        ("", [], "content_filter", True),
        ("", [ToolCall("1", "a", "{")], "length", False),
        ("", [], "stop", False),
    ],
)
def test_who_was_cut_before_it_said_anything(
    text: str, calls: list[ToolCall], finish: FinishReason, unsaid: bool
) -> None:
    draft = Draft(Voter("a"), text=text, calls=calls)
    assert not draft.cut_unsaid
    draft.candidate = Candidate("a", text, tuple(calls), finish=finish)
    assert draft.cut_unsaid is unsaid


async def test_the_time_of_a_vote_is_counted_from_its_beginning() -> None:
    """A node's clock counts from the start of its machine."""
    poll, now = polled("a", "b", deadline_s=60.0), [1e6]

    async def quick() -> AsyncGenerator[list[Heard]]:
        now[0] += 2.0
        yield [("a", Began(1, 0)), ("a", Said((Text("yes"),), 1)), ("a", Ended("stop", 1))]

    async def slow() -> AsyncGenerator[list[Heard]]:
        yield [("b", Began(1, 0))]
        while not poll.votes:  # noqa: ASYNC110 - the poll has no event for it
            await asyncio.sleep(0)
        now[0] += 58.0
        yield [("b", Said((Text("hm"),), 1))]
        await asyncio.Event().wait()

    said = [quick(), slow()]
    course = collect(poll, said, [["a"], ["b"]], clock=lambda: now[0])
    assert [reason async for reason in course][-1] == "deadline"
    assert (poll.drafts["a"].state, poll.drafts["b"].state) == ("valid", "cancelled")
    assert poll.course(0.0).arrived_s == [2.0]
