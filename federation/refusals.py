"""What a peer is told where this node does not answer: a status, and a line that says why. Pure."""

import re

from swarm.errors import (
    ContextOverflow,
    FixedOverflow,
    Overloaded,
    PeerError,
    PeerLate,
    PeerRefused,
    RequestError,
    SwarmError,
)

OVERDUE = 504
"""The status of an answer that is not whole because the time of its question was over."""

_TOO_LONG, _BUSY = 413, 429
_FIXED = " that every request repeats"
_TOO_SHORT = re.compile(
    rf"its context of (\d{{1,10}}) tokens is too short for (\d{{1,10}})({_FIXED})?", re.ASCII
)
"""How `as_refusal` tells of an overflow."""


def as_refusal(error: SwarmError) -> tuple[int, str]:
    """The status and the reason that a peer is told."""
    match error:
        case ContextOverflow():
            tokens, context = error.prompt_tokens, error.context_tokens
            fixed = _FIXED * isinstance(error, FixedOverflow)
            return _TOO_LONG, f"its context of {context} tokens is too short for {tokens}{fixed}"
        case Overloaded():
            return _BUSY, str(error)
        case PeerRefused():
            return error.status or 400, str(error)
        case RequestError() | PeerError():
            return 400, str(error)
        case _:
            return 503, str(error)


def broken_off(why: str, status: int) -> PeerError:
    """The error of an answer that a peer itself has ended amid its lines."""
    return PeerLate(why) if status == OVERDUE else PeerRefused(why, status=status)


def own_words(error: SwarmError) -> ContextOverflow | Overloaded | None:
    """What a refusal says that isn't the peer's fault: the prompt is too long for it, or it is
    busy. None where it told of something else.
    """
    if not isinstance(error, PeerRefused):
        return None
    if error.status == _BUSY:
        return Overloaded(str(error))
    told = _TOO_SHORT.fullmatch(str(error)) if error.status == _TOO_LONG else None
    if told is None:
        return None
    kind = FixedOverflow if told[3] else ContextOverflow
    return kind(int(told[2]), int(told[1]))
