"""What the handlers of one app share, under typed keys."""

import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from aiohttp import web

from api.agent import Agent
from api.errors import status_of
from api.keyring import Caller, Keyring
from api.metrics import Metrics
from federation.federation import Federation
from printable import printable
from swarm.engines.base import Event
from swarm.errors import ContextOverflow, SwarmError
from swarm.pool import Pool
from swarm.proposer import Proposer
from swarm.successor import Successor
from tools.executor import Executor

logger = logging.getLogger(__name__)

POOL = web.AppKey("pool", Pool)
PEERS: web.AppKey[Callable[[], Sequence[Proposer]]] = web.AppKey("peers")
"""The peers that are ready now."""

FEDERATION: web.AppKey[Federation | None] = web.AppKey("federation")
VERDICTS: web.AppKey[deque[dict[str, Any]]] = web.AppKey("verdicts")
"""The last verdicts, latest last."""

AGENT: web.AppKey[Agent | None] = web.AppKey("agent")
SUCCESSOR: web.AppKey[Successor | None] = web.AppKey("successor")
"""What is to take the place of the bundled model."""

METRICS = web.AppKey("metrics", Metrics)
PULSE_S = web.AppKey("pulse_s", float)

KEYRING = web.AppKey("keyring", Keyring)

TOOLS: web.AppKey[Executor | None] = web.AppKey("tools")
"""What runs tools for this node."""

CALLER = web.RequestKey("caller", Caller)
REQUEST_ID = web.RequestKey("request_id", str)
FAILURE = web.RequestKey("failure", SwarmError)
"""What ended the request, as a status or as an event of its stream."""


def request_label(request: web.Request) -> str:
    """How logs name the request."""
    return request[REQUEST_ID]


def note_failure(request: web.Request, error: SwarmError) -> None:
    """Keep what ended a request; one line of the log where the client is not at fault, or where
    what it sent is too long for what is served.
    """
    if status_of(error) >= 500:
        note_failure_within(request, error)
        return
    request[FAILURE] = error
    if isinstance(error, ContextOverflow):
        logger.info("%s refused (%d): %s", request_label(request), status_of(error), error)


def note_failure_within(request: web.Request, error: SwarmError) -> None:
    """The same of one whose stream has begun: no status tells it, so it is always in the log."""
    request[FAILURE] = error
    label, told = request_label(request), printable(str(error))
    logger.warning("%s failed (%d): %s", label, status_of(error), told)


def watched(
    request: web.Request, events: AsyncGenerator[list[Event]]
) -> AsyncGenerator[list[Event]]:
    """A generation of this node for the request: measured, logged, and counted to its caller."""
    measured = request.app[METRICS].watch(events, label=request_label(request))
    return request[CALLER].counted(measured)
