"""Keys at the client door: who may enter, and how often."""

from aiohttp import web
from aiohttp.typedefs import Handler

from api.context import CALLER, KEYRING
from api.errors import json_response, plain_error
from guard import Refusal

_OPEN = frozenset({"health"})
"""Routes that need no key: a supervisor asks whether the node lives."""

_COUNTED = frozenset({"chat_completions", "completions", "embeddings", "load", "unload"})
"""Routes on which a key's limits hold."""


@web.middleware
async def ask_for_key(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let in who shows a key that holds, within its limits."""
    resource = request.match_info.route.resource
    route = resource.name if resource else None
    if route in _OPEN:
        return await handler(request)
    caller = request.app[KEYRING].caller(request.headers.getall("Authorization", []))
    if isinstance(caller, Refusal):
        return json_response(
            plain_error(caller.message, code=caller.code),
            status=caller.status,
            headers={"WWW-Authenticate": "Bearer"},
        )
    if route in _COUNTED and (wait_s := caller.meter.admit(caller.clock())):
        said = f"this key's limit is reached; it may ask again in {wait_s} s"
        return json_response(
            plain_error(said, kind="rate_limit_error", code="rate_limit_exceeded"),
            status=429,
            headers={"Retry-After": str(wait_s)},
        )
    request[CALLER] = caller
    return await handler(request)
