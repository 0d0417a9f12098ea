"""A chat request on which the node's own agent works: which ones those are, and its answer."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from functools import partial

from aiohttp import web

from api.agent import Agent
from api.context import AGENT, CALLER, POOL, request_label
from api.openai.panel import Panel
from api.openai.reply import named_envelope
from api.openai.translate import ChatAsk
from api.openai.voted import answer_in_parts
from swarm.agent import worked
from swarm.answer import Part
from swarm.errors import InvalidRequest
from swarm.ids import is_taken, same_wish
from swarm.pool import ServedModel
from swarm.proposer import LONGEST_S
from swarm.types import Message, Question, Verdict

logger = logging.getLogger(__name__)


def agent_of(request: web.Request, ask: ChatAsk) -> Agent | None:
    """The agent, where it is to work on this request.

    That is where the node has one, the key may have tools run and the client has no part in calling
    them, unless the request says otherwise. Raises InvalidRequest where it says what cannot be.
    """
    agent, wish = request.app[AGENT], ask.vote.agent
    if wish is False or (wish is None and ask.calls_itself):
        return None
    if agent is None:
        if wish is None:
            return None
        message = "swarm.agent: this node has no agent; it has to be started with --agent"
        raise InvalidRequest(message, param="swarm.agent")
    if not request[CALLER].may_run_tools:
        if wish is None:
            return None
        message = "swarm.agent: this key is for models only, and runs no tools"
        raise InvalidRequest(message, param="swarm.agent")
    if ask.calls_itself:
        message = "swarm.agent: the agent has tools of its own; send none, and no calls"
        raise InvalidRequest(message, param="swarm.agent")
    if ask.n > 1:
        message = f"n: the agent gives one answer, not {ask.n}; swarm.agent false does without it"
        raise InvalidRequest(message, param="n")
    return agent


async def answer_by_agent(request: web.Request, ask: ChatAsk, agent: Agent) -> web.StreamResponse:
    """Let the model work with the agent's tools until it answers; every step is put to the vote."""
    label, began = request_label(request), time.monotonic()
    default = request.app[POOL].models[0]
    question = replace(ask.question, tools=await agent.specs(), messages=_told(request, ask))
    ask = replace(ask, question=question)
    with Panel.of(request, ask) as panel:
        head = named_envelope("chatcmpl", panel.model)
    execute = partial(agent.run, label=label)
    time_s = min(agent.bounds.time_s, ask.vote.deadline_s or agent.bounds.time_s)
    bounds = replace(agent.bounds, time_s=time_s)
    parts = worked(question, partial(_step, request, ask, default), execute, bounds)
    progress = ask.vote.progress is not False

    def tell(verdict: Verdict | None) -> None:
        if verdict is not None:
            calls = sum(len(step.calls) for step in verdict.steps)
            logger.info(
                "%s: the agent has answered: steps %d, calls %d, %.1f s",
                label,
                len(verdict.steps),
                calls,
                time.monotonic() - began,
            )

    return await answer_in_parts(request, ask, head, parts, progress=progress, tell=tell)


async def _step(
    request: web.Request, ask: ChatAsk, default: ServedModel, question: Question, left_s: float
) -> AsyncGenerator[list[Part]]:
    """One step by those who can answer now; its verdict is told.

    `default` was the default model when the answer began, and is held until it ends: where another
    leads by now, this answer goes on by its id.
    """
    if is_taken(question.model) and request.app[POOL].models[0] is not default:
        question = replace(question, model=same_wish(question.model, default.id))
    vote = ask.vote.model_copy(update={"deadline_s": min(left_s, LONGEST_S)})
    with Panel.of(request, replace(ask, question=question, vote=vote)) as panel:
        async with aclosing(panel.parts()) as parts:
            async for some in parts:
                for part in some:
                    if isinstance(part, Verdict):
                        panel.tell(part)
                yield some


def _told(request: web.Request, ask: ChatAsk) -> tuple[Message, ...]:
    """The messages, behind our instructions where the client sends none."""
    messages = ask.question.messages
    if any(message.role in ("system", "developer") for message in messages):
        return messages
    return (Message("system", request.app[POOL].forms.agent_words), *messages)
