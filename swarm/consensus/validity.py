"""Which candidates may vote. What is wrong with the others is said in words."""

from collections.abc import Mapping

from printable import printable
from swarm.consensus.canonical import canonical_json
from swarm.types import Candidate, Check

LOOP_CHARACTERS = 240
"""An end of at least this many characters that one short piece fills again and again is a loop."""

LONGEST_PIECE = 80
_TAIL = 1600


def flaw(
    candidate: Candidate,
    *,
    tools: Mapping[str, Check] | None = None,
    wanted: Check | None = None,
    must_call: bool = False,
) -> str | None:
    """Why this candidate abstains, or None if it is valid.

    `tools` are the offered tools with a check of their arguments; `wanted` checks the text, as a
    response format asks; with `must_call` a text is not an answer. That one is cut is no flaw
    here, nor is the call that it ends in: it counts where all are cut.
    """
    if not candidate.text.strip() and not candidate.tool_calls:
        return "empty"
    if must_call and not candidate.tool_calls and not candidate.cut:
        return "it calls no tool"
    offered = tools or {}
    for at, call in enumerate(candidate.tool_calls):
        if call.name not in offered:
            return f"there is no tool {call.name!r}"
        problem = wrong_arguments(candidate, at, offered)
        if problem is not None:
            return f"{call.name}: {problem}"
    if wanted and not candidate.tool_calls and not candidate.cut:
        problem = wanted(candidate.text)
        if problem is not None:
            return problem
    if candidate.cut and (wanted or must_call):  # what a form asks for may repeat itself
        return None
    return "it repeats itself without end" if loops(candidate.text) else None


def is_stopped(candidate: Candidate, *, wanted: Check | None, must_call: bool) -> bool:
    """Whether a stop string, where the asker named some, must have cut this answer.

    Engines and peers do not tell it from an end of the model's own choice. A model that is held
    to a form or a call makes none amid it, nor before it has said anything.
    """
    if candidate.finish != "stop" or candidate.tool_calls:
        return False
    if must_call or not candidate.text.strip():
        return True
    return wanted is not None and canonical_json(candidate.text) is None


def wrong_arguments(candidate: Candidate, at: int, tools: Mapping[str, Check]) -> str | None:
    """What is wrong with the arguments of its call at this place: of what is cut off, or of an
    unknown tool's, that is not known.
    """
    call = candidate.tool_calls[at]
    check = tools.get(call.name)
    cut = candidate.cut and at == len(candidate.tool_calls) - 1
    return None if check is None or cut else check(call.arguments)


def wrong_call(candidate: Candidate, tools: Mapping[str, Check]) -> str | None:
    """The first tool that it calls with wrong arguments, in words that may stand in a log: nothing
    of the arguments is told.
    """
    for at, call in enumerate(candidate.tool_calls):
        if wrong_arguments(candidate, at, tools) is not None:
            return f"wrong arguments for {printable(call.name)}"
    return None


def not_json(text: str) -> str | None:
    """What is wrong with a text that should be JSON, bare or in one fenced block."""
    return "the text is not JSON" if canonical_json(text) is None else None


def loops(text: str) -> bool:
    """Whether the text ends in one short piece of words again and again.

    The piece is the period of the reversed tail, by the failure function of Knuth, Morris and
    Pratt. Lines of one mark, as tables and headings have them, are not a loop.
    """
    tail = text.rstrip()[-_TAIL:][::-1]
    borders = [0] * len(tail)
    reach = 0
    for at in range(1, len(tail)):
        while reach and tail[at] != tail[reach]:
            reach = borders[reach - 1]
        reach += tail[at] == tail[reach]
        borders[at] = reach
        end = at + 1
        period = end - reach
        if end >= LOOP_CHARACTERS and period <= LONGEST_PIECE and 4 * period <= end:
            return any(mark.isalnum() for mark in tail[:period])
    return False
