"""Requests for a model that is not loaded: it is loaded first, and stays until they end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from api.context import POOL, PULSE_S
from api.sse import stream_early
from swarm.errors import UnknownModel
from swarm.ids import SWARM_IDS, base_id
from swarm.pool import Pool, ServedModel
from swarm.proposer import Proposer

Answer = Callable[[], Awaitable[web.StreamResponse]]
MayFill = Callable[[int], bool]
"""Whether the prompt may be too long for a context of that many tokens; called in a thread."""


async def when_loaded(
    request: web.Request,
    model_id: str,
    answer: Answer,
    *,
    stream: bool,
    may_fill: MayFill,
    peers: Sequence[Proposer] = (),
) -> web.StreamResponse:
    """The answer, once its model is loaded here; a stream hears comments meanwhile.

    Where the model is not loaded here and one of the peers has it, the peer answers. Before the
    first model is loaded nothing waits: that is refused, or answered by peers. A stream whose
    prompt may be too long begins late instead: clients compact on a status, not on an event.
    """
    pool = request.app[POOL]
    model = _known(pool, model_id)
    if model is None or not pool.loading.begun:
        return await answer()
    if pool.status(model) != "loaded" and _is_elsewhere(model_id, peers):
        return await answer()

    async def held() -> web.StreamResponse:
        async with pool.held(model_id):
            return await answer()

    resident = pool.loading.resident(model.id)
    early = stream and resident is not None and not resident.present
    if early and not await _is_long(pool, model, may_fill):
        return await stream_early(request, held, pulse_s=request.app[PULSE_S])
    return await held()


async def _is_long(pool: Pool, model: ServedModel, may_fill: MayFill) -> bool:
    context_tokens = await pool.loading.context_tokens(model.id)
    return context_tokens is not None and await asyncio.to_thread(may_fill, context_tokens)


def _known(pool: Pool, model_id: str) -> ServedModel | None:
    try:
        return pool.resolve(model_id)
    except UnknownModel:
        return None


def _is_elsewhere(model_id: str, peers: Sequence[Proposer]) -> bool:
    """Whether a peer has this very model ready."""
    asked = base_id(model_id)
    return asked not in SWARM_IDS and any(peer.offer(asked) is not None for peer in peers)
