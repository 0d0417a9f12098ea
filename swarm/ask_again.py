"""One more question where the voters should have called a tool and told what to do instead."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace

from swarm.answer import End, Part, Say, noted, speed
from swarm.chat.calls import Arguments, Call
from swarm.chat.explains import called_in_turn, explains
from swarm.collect import Poll
from swarm.deadline import within
from swarm.errors import SwarmError
from swarm.proposer import Ended, Said, Told
from swarm.types import Question, ToolCall, Verdict

logger = logging.getLogger(__name__)

ASK_AGAIN_S = 60.0
"""The worker has at most this long, less where the request's deadline is nearer."""

NOTE = "one worker was asked again, for a call"

Ask = Callable[[Question], AsyncGenerator[list[Told]]]
"""Puts a question to one worker."""


async def with_call(
    parts: AsyncGenerator[list[Part]],
    poll: Poll,
    question: Question,
    ask: Ask,
    *,
    clock: Callable[[], float],
) -> AsyncGenerator[list[Part]]:
    """The parts of a voted answer, the call that its text lacks behind the text.

    It is lacking where the voters disagree whether to call, or the text holds a command to run,
    and no tool was called yet since the user spoke. One worker is then held to a call; what it
    calls must be valid and there in time, otherwise the text stands alone. Its tokens count with
    the answer's; the report of each voter is of the vote alone.
    """
    began = clock()
    held = replace(question, constraint=replace(question.constraint, must_call=True))
    answer, spent = None, 0
    async with aclosing(parts):
        async for step in parts:
            for part in step:
                left_s = began + poll.rules.deadline_s - clock()
                match part:
                    case End(0) if left_s > 0 and _lacks_call(part, poll, question):
                        calls, spent = await _asked(poll, ask(held), min(ASK_AGAIN_S, left_s))
                        answer = replace(part.draft, tokens=part.draft.tokens + spent)
                        reason = "tool_calls" if calls else part.reason
                        yield [*(Say(0, call) for call in calls), End(0, reason, answer)]
                    case Verdict() if answer is not None:
                        yield [_counted(part, spent, speed(answer.tokens, clock() - began))]
                    case _:
                        yield [part]


def _counted(verdict: Verdict, spent: int, tokens_per_s: float) -> Verdict:
    return replace(
        verdict,
        note=noted(verdict.note, NOTE),
        generated_tokens=verdict.generated_tokens + spent,
        tokens_per_s=tokens_per_s,
    )


def _lacks_call(end: End, poll: Poll, question: Question) -> bool:
    if end.draft.calls or end.reason != "stop" or called_in_turn(question.messages):
        return False
    kinds = {vote.form.kind for vote in poll.votes}
    return "tools" in kinds or explains(end.draft.text, question.tools)


async def _asked(
    poll: Poll, told: AsyncGenerator[list[Told]], limit_s: float
) -> tuple[list[ToolCall], int]:
    """The calls of one worker that must call, none where they are not whole and valid; and how
    many tokens it wrote, also where it is late or fails.
    """
    calls: list[Call] = []
    whole, spent = False, 0
    try:
        async with asyncio.timeout(limit_s), aclosing(told):
            async for step in told:
                for _, news in step:
                    if isinstance(news, Said):
                        _take(news, calls)
                        spent += news.tokens
                    elif isinstance(news, Ended):
                        whole, spent = news.finish == "tool_calls", news.tokens
    except TimeoutError:
        logger.info("a worker that was asked again for a call gave none %s", within(limit_s))
        return [], spent
    except SwarmError as error:
        logger.info("a worker that was asked again for a call gave none: %s", error)
        return [], spent
    checks = poll.rules.checks
    valid = all(call.name in checks and checks[call.name](call.arguments) is None for call in calls)
    return [poll.called(call) for call in calls] if whole and valid else [], spent


def _take(news: Said, calls: list[Call]) -> None:
    for piece in news.pieces:
        if isinstance(piece, Call):
            calls.append(piece)
        elif isinstance(piece, Arguments) and calls:
            calls[-1] = replace(calls[-1], arguments=calls[-1].arguments + piece.text)
