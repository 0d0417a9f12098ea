"""GET /v1/usage: what the caller has used, and its limits."""

from aiohttp import web

from api.context import CALLER
from api.errors import json_response


async def usage(request: web.Request) -> web.StreamResponse:
    """What the caller has used since this node started."""
    caller = request[CALLER]
    meter = caller.meter
    return json_response(
        {
            "object": "usage",
            "key": caller.name,
            "requests": meter.requests,
            "refused_requests": meter.refused,
            "prompt_tokens": meter.prompt_tokens,
            "completion_tokens": meter.completion_tokens,
            "total_tokens": meter.prompt_tokens + meter.completion_tokens,
            "limits": meter.limits(),
            "models": None if caller.models is None else list(caller.models),
        }
    )
