"""How the peer door says no: a status, and one line that says why."""

from aiohttp import web
from aiohttp.typedefs import Handler

from swarm.errors import (
    ContextOverflow,
    Overloaded,
    PeerError,
    PeerRefused,
    RequestError,
    SwarmError,
)


@web.middleware
async def report(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Errors as what the caller is told."""
    try:
        return await handler(request)
    except SwarmError as error:
        status, why = as_refusal(error)
        return web.Response(status=status, text=why)


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


async def read_bounded(request: web.Request, most: int) -> bytes:
    """The whole body. Raises PeerRefused when it is longer than `most` bytes."""
    raw = bytearray()
    async for piece in request.content.iter_any():
        raw += piece
        check_size(len(raw), most)
    return bytes(raw)


def check_size(size: int, most: int) -> None:
    """Raises PeerRefused for a question of more than `most` bytes."""
    if size > most:
        raise PeerRefused(f"its context is too short for {size} bytes", status=413)
