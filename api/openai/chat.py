"""POST /v1/chat/completions: a conversation in, its next message out, whole or streamed."""

import asyncio
from functools import partial

from aiohttp import web

from api.context import CALLER, PEERS, POOL
from api.openai.body import body_of
from api.openai.by_agent import agent_of, answer_by_agent
from api.openai.one_worker import answer_by_one
from api.openai.panel import Panel
from api.openai.reply import named_envelope
from api.openai.schema import ChatBody
from api.openai.translate import ChatAsk, chat_ask
from api.openai.voted import answer_in_parts
from api.openai.waiting import when_loaded


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer a chat request: by one worker here, or by a vote of all that can answer."""
    pool = request.app[POOL]
    body = await body_of(request, ChatBody, context_tokens=pool.context_tokens)
    # A thread: unknown schemas are compiled to see whether they can be enforced.
    ask = await asyncio.to_thread(chat_ask, body, request.headers)
    request[CALLER].must_be_allowed(ask.model)
    return await when_loaded(
        request,
        ask.model,
        lambda: _answer(request, ask),
        stream=ask.stream,
        may_fill=partial(pool.forms.may_fill, ask.question),
        peers=request.app[PEERS](),
    )


async def _answer(request: web.Request, ask: ChatAsk) -> web.StreamResponse:
    """As many workers as the request needs, here or elsewhere."""
    if agent := agent_of(request, ask):
        return await answer_by_agent(request, ask, agent)
    with Panel.of(request, ask) as panel:
        if panel.one_worker_here:
            return await answer_by_one(panel)
        head = named_envelope("chatcmpl", panel.model)
        progress = bool(ask.vote.progress)
        parts = panel.parts()
        return await answer_in_parts(request, ask, head, parts, progress=progress, tell=panel.tell)
