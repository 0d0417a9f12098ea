"""Connections to an upstream server, which are kept from one request to the next."""

from collections.abc import Mapping
from typing import Any

import aiohttp

_CLOSED = (
    aiohttp.ServerDisconnectedError,
    aiohttp.ClientOSError,
    aiohttp.ClientConnectionResetError,
)
"""How a connection that the server has closed shows itself."""


async def answered(
    session: aiohttp.ClientSession, method: str, url: str, body: Mapping[str, Any] | None
) -> aiohttp.ClientResponse:
    """What the server says, from its status on; the session is one that has `telling_kept`.

    A kept connection may be closed by the server in the moment in which it is used. Nothing has
    come then, so the request is made again, at last on a connection of its own.
    """
    while True:
        kept: list[object] = []
        try:
            return await session.request(method, url, json=body, trace_request_ctx=kept)
        except _CLOSED:
            if not kept:
                raise


def telling_kept() -> aiohttp.TraceConfig:
    """Appends to the list that goes with a request where a kept connection is used for it."""

    async def tell(_session: object, context: Any, params: object) -> None:
        context.trace_request_ctx.append(params)

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_reuseconn.append(tell)
    return tracing
