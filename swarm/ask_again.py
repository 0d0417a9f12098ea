"""One more question where the voters should have called a tool and told what to do instead."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from swarm.answer import End, Part, Say, noted
from swarm.chat.calls import Arguments, Call
from swarm.chat.explains import called_in_turn, explains
from swarm.collect import Poll
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
    calls must be valid and there in time, otherwise the text stands alone.
    """
    deadline_s = clock() + poll.rules.deadline_s
    asked = False
    async with aclosing(parts):
        async for step in parts:
            end = next((part for part in step if isinstance(part, End) and not part.index), None)
            left_s = deadline_s - clock()
            if end is None or left_s <= 0 or not _lacks_call(end, poll, question):
                yield [_noted(part) if asked else part for part in step]
                continue
            asked = True
            yield [part for part in step if part is not end]
            began_s = clock()
            calls = await _calls(poll, question, ask, end, min(ASK_AGAIN_S, left_s))
            end.draft.ended_s += clock() - began_s  # whose tokens are counted as well
            yield [
                *(Say(0, call) for call in calls),
                replace(end, reason="tool_calls" if calls else end.reason),
            ]


def _noted(part: Part) -> Part:
    if not isinstance(part, Verdict):
        return part
    return replace(part, note=noted(part.note, NOTE))


def _lacks_call(end: End, poll: Poll, question: Question) -> bool:
    if end.draft.calls or end.reason != "stop" or called_in_turn(question.messages):
        return False
    kinds = {vote.form.kind for vote in poll.votes}
    return "tools" in kinds or explains(end.draft.text, question.tools)


async def _calls(
    poll: Poll, question: Question, ask: Ask, end: End, limit_s: float
) -> Sequence[ToolCall]:
    """The calls of one worker that must call, none where they are not whole and valid.

    Its tokens are counted with the answer's as it says them: it may be late or fail.
    """
    held = replace(question, constraint=replace(question.constraint, must_call=True))
    calls: list[Call] = []
    whole, before = False, end.draft.tokens
    try:
        async with asyncio.timeout(limit_s), aclosing(ask(held)) as told:
            async for step in told:
                for _, news in step:
                    if isinstance(news, Said):
                        _take(news, calls)
                        end.draft.tokens += news.tokens
                    elif isinstance(news, Ended):
                        whole = news.finish == "tool_calls"
                        end.draft.tokens = before + news.tokens
    except TimeoutError:
        logger.info("a worker that was asked again for a call gave none within %.0f s", limit_s)
        return []
    except SwarmError as error:
        logger.info("a worker that was asked again for a call gave none: %s", error)
        return []
    checks = poll.rules.checks
    valid = all(call.name in checks and checks[call.name](call.arguments) is None for call in calls)
    return [poll.called(call) for call in calls] if whole and valid else []


def _take(news: Said, calls: list[Call]) -> None:
    for piece in news.pieces:
        if isinstance(piece, Call):
            calls.append(piece)
        elif isinstance(piece, Arguments) and calls:
            calls[-1] = replace(calls[-1], arguments=calls[-1].arguments + piece.text)
