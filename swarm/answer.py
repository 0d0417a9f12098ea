"""From votes to the one answer: what may go out early, what goes out when it is decided.

The way of a voted request, top to bottom: collect, count, say the winner, report the verdict.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

from swarm.chat.completion import Reasoning, Text
from swarm.collect import Draft, Piece, Poll
from swarm.consensus.tally import Tally, Vote, count
from swarm.consensus.validity import wrong_call
from swarm.errors import SwarmError
from swarm.types import Candidate, DecidedBy, FinishReason, Verdict, WorkerReport

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Say:
    """A piece of choice `index`; what was said is never taken back."""

    index: int
    piece: Piece


@dataclass(frozen=True, slots=True)
class Progress:
    """A line about how the vote stands, for those who wait."""

    line: str


@dataclass(frozen=True, slots=True)
class End:
    """Choice `index` is complete: it is the answer of this draft."""

    index: int
    reason: FinishReason
    draft: Draft


ONE_WORKER = "one worker"
"""The strategy of an answer that nobody voted on."""

TOLD_S = 2.0
"""The course of the vote is told when it changes, and every so often, at this interval, while it
does not."""

LINES = 16
"""About this many lines tell of the answers as they come: of many voters, not each is worth one."""

NAMED = 12
"""At most this many voters are named in a line."""

BLOCK_CHARACTERS = 1024
"""Texts are compared in blocks, for they are compared again with each token."""

JUDGE_S = 60.0
"""A judge thinks at most this long, less where the request's deadline is nearer."""

NO_PICK = "the judge picked none, so the count decided"

Judge: TypeAlias = Callable[[list[Candidate]], Awaitable[int | None]]
"""Picks one of several candidates by its place, or none."""

Part: TypeAlias = Say | Progress | End | Verdict


async def voted(
    poll: Poll,
    course: AsyncGenerator[DecidedBy | None],
    *,
    n: int = 1,
    clock: Callable[[], float],
    judge: Judge | None = None,
    note: str | None = None,
) -> AsyncGenerator[list[Part]]:
    """The parts of an answer by vote, the verdict last.

    Text that every candidate shares that can still win goes out early, if there is one choice that
    is streamed; the `n` best candidates follow when it is decided, each whole and real: of each
    class one, then more of the best classes, repeated where they are too few. A judge is asked
    where there is more than one class; one that picks none, fails or is late leaves it to the
    count.
    """
    began = clock()
    apart = max(1, len(poll.drafts) // LINES)
    told, told_s, reason = -apart, began, None
    async with aclosing(course):
        async for reason in course:
            if reason is not None:
                break
            agreed = agreed_by_all(poll) if n == 1 else ""
            parts: list[Part] = []
            if poll.answered >= told + apart or clock() - told_s >= TOLD_S:
                parts.append(Progress(standing_line(poll)))
                told, told_s = poll.answered, clock()
            if agreed:
                parts.append(Say(0, Text(agreed)))
                poll.said += agreed
            if parts:
                yield parts
    if reason is None:
        raise RuntimeError("a vote ends with a reason")
    tally = _counted(poll)
    if judge is not None and len(tally.standings) > 1:
        picked = await _opinion(judge, tally, began + poll.rules.deadline_s - clock())
        if picked is None:
            note = noted(note, NO_PICK)
        else:
            tally, reason = tally.led_by(picked), "judge"
    wrong = _wrong_call(poll, tally) if reason == "none valid" else None
    note = noted(note, wrong, _repeats(tally.counted, n))
    yield _winners(poll, tally.best(n))
    yield [verdict(poll, tally, reason, seconds=clock() - began, note=note)]


def _counted(poll: Poll) -> Tally:
    tally = count(poll.votes, seed=poll.rules.seed)
    return tally.most_trusted() if poll.rules.strategy == "best" else tally


async def _opinion(judge: Judge, tally: Tally, left_s: float) -> int | None:
    """The place of the class that the judge picks in time, if it does."""
    try:
        async with asyncio.timeout(max(0.0, min(JUDGE_S, left_s))):
            return await judge([standing.best.candidate for standing in tally.standings])
    except TimeoutError:
        logger.info("the judge has picked none in time")
    except SwarmError as error:
        logger.info("the judge has picked none: %s", error)
    return None


def noted(*said: str | None) -> str | None:
    """What the asker should know, as one note."""
    return "; ".join(filter(None, said)) or None


def _wrong_call(poll: Poll, tally: Tally) -> str | None:
    said = poll.drafts[tally.winner.voter].candidate
    return wrong_call(said, poll.rules.checks) if said else None


def may_win(draft: Draft) -> bool:
    """Whether this voter's answer can still be given."""
    return draft.open or draft.state == "valid"


def agreed_by_all(poll: Poll) -> str:
    """What every answer that can still win goes on with, behind what was said.

    Nothing where the answer is given whole or must be a call: what has gone out holds all to it.
    Nor where one of them was thought about: the winner's reasoning goes out before its text.
    """
    if not poll.rules.streamed or poll.rules.must_call or not poll.all_speak:
        return ""
    able = [draft for draft in poll.drafts.values() if may_win(draft)]
    if any(draft.reasoning for draft in able):
        return ""
    return agreed_further(able, len(poll.said))


def agreed_further(drafts: list[Draft], said: int) -> str:
    """What all of these texts go on with behind the first `said` characters, in which they are
    equal. Cut behind white space, for a text that still grows may go on amid a word.
    """
    if not drafts:
        return ""
    texts = [draft.text for draft in drafts]
    end = _equal_until(texts, said)
    last = max(texts[0].rfind(mark, said, end) for mark in " \n\t")
    return texts[0][said : last + 1]


def _equal_until(texts: list[str], end: int) -> int:
    """Up to where these texts are equal, as they are up to `end`."""
    block, shortest = BLOCK_CHARACTERS, min(map(len, texts))
    while block and end < shortest:
        more = texts[0][end : min(end + block, shortest)]
        if all(text.startswith(more, end) for text in texts):
            end += len(more)
        else:
            block //= 2
    return end


def standing_line(poll: Poll) -> str:
    """Who generates, who has finished, how the count stands."""
    drafts = list(poll.drafts.values())
    through = [draft.voter.id for draft in drafts if not draft.open]
    line = f"{len(through)} of {len(drafts)} workers have answered"
    line += f" ({_some(through)})" if through else ""
    running = [f"{draft.voter.id}: {draft.tokens}" for draft in drafts if draft.open]
    if any(draft.tokens for draft in drafts if draft.open):
        line += f"; tokens of those who generate {_some(running)}"
    if len(poll.votes) > 1:
        first, share = poll.score.ahead()
        line += f"; {share:.0%} of the weight for {_in_short(first.candidate)}"
    return line


def _some(names: list[str]) -> str:
    more = [f"{len(names) - NAMED} others"] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])


def _in_short(candidate: Candidate) -> str:
    if candidate.tool_calls:
        return "calling " + ", ".join(call.name for call in candidate.tool_calls)
    line = " ".join(candidate.text.split())
    return repr(line if len(line) <= 60 else line[:57] + "...")


def _repeats(answers: int, n: int) -> str | None:
    if answers >= n:
        return None
    valid = "1 valid answer" if answers == 1 else f"{answers} valid answers"
    return f"{valid} for {n} choices: the best are repeated"


def _winners(poll: Poll, votes: list[Vote]) -> list[Part]:
    """The best candidates, whole; of the first what was not yet said."""
    parts: list[Part] = []
    given: set[str] = set()
    for index, vote in enumerate(votes):
        candidate = vote.candidate
        text = candidate.text.removeprefix(poll.said) if index == 0 else candidate.text
        if candidate.reasoning:
            parts.append(Say(index, Reasoning(candidate.reasoning)))
        if text:
            parts.append(Say(index, Text(text)))
        for call in candidate.tool_calls:
            # Results name their call by its id: one that is repeated is another call.
            again = candidate.voter in given
            parts.append(Say(index, replace(call, id=poll.call_id()) if again else call))
        given.add(candidate.voter)
        parts.append(End(index, candidate.finish, poll.drafts[candidate.voter]))
    return parts


def verdict(
    poll: Poll, tally: Tally, reason: DecidedBy, *, seconds: float, note: str | None = None
) -> Verdict:
    """The numbers behind an answer that was counted out."""
    winner = poll.drafts[tally.winner.voter]
    return verdict_on(
        poll,
        winner,
        reason,
        support=tally.support,
        margin=tally.margin,
        chosen=tally.standings[0].best.form.strategy,
        seconds=seconds,
        note=note,
    )


def verdict_on(
    poll: Poll,
    winner: Draft,
    reason: DecidedBy,
    *,
    support: float,
    margin: float,
    chosen: str,
    seconds: float,
    note: str | None = None,
) -> Verdict:
    """The numbers of all voters beside those of the winner; `chosen` is what `auto` came to."""
    drafts = list(poll.drafts.values())
    states = [draft.state for draft in drafts]
    return Verdict(
        strategy=chosen if poll.rules.strategy == "auto" else poll.rules.strategy,
        decided_by=reason,
        winner=winner.voter.id,
        asked=len(drafts),
        valid=states.count("valid"),
        abstained=states.count("abstained") + states.count("failed"),
        cancelled=states.count("cancelled"),
        support=round(support, 4),
        margin=round(margin, 4),
        tokens_per_s=speed(winner.tokens, seconds),
        generated_tokens=sum(draft.tokens for draft in drafts),
        workers=tuple(map(report_of, drafts)),
        note=note,
    )


def speed(tokens: int, seconds: float) -> float:
    """Tokens per second as a verdict tells them."""
    return round(tokens / seconds, 2) if seconds > 0 else 0.0


def report_of(draft: Draft) -> WorkerReport:
    """What became of one voter."""
    voter, speed = draft.voter, round(draft.tokens_per_s, 2)
    return WorkerReport(
        voter.id, voter.model, draft.state, draft.tokens, speed, float(voter.weight), draft.why
    )
