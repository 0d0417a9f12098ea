"""What a peer is told where this node does not answer: a status, and a line that says why. Pure."""

from swarm.errors import (
    ContextOverflow,
    Overloaded,
    PeerError,
    PeerRefused,
    RequestError,
    SwarmError,
)


def as_refusal(error: SwarmError) -> tuple[int, str]:
    """The status and the reason that a peer is told."""
    match error:
        case ContextOverflow():
            tokens, context = error.prompt_tokens, error.context_tokens
            return 413, f"its context of {context} tokens is too short for {tokens}"
        case Overloaded():
            return 429, str(error)
        case PeerRefused():
            return error.status or 400, str(error)
        case RequestError() | PeerError():
            return 400, str(error)
        case _:
            return 503, str(error)
