"""What the handlers of one app share, under typed keys."""

from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

from aiohttp import web

from api.agent import Agent
from api.keyring import Caller, Keyring
from api.metrics import Metrics
from federation.federation import Federation
from swarm.engines.base import Event
from swarm.pool import Pool
from swarm.proposer import Proposer
from swarm.successor import Successor
from tools.executor import Executor

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


def request_label(request: web.Request) -> str:
    """How logs name the request."""
    return request[REQUEST_ID]


def watched(
    request: web.Request, events: AsyncGenerator[list[Event]]
) -> AsyncGenerator[list[Event]]:
    """A generation of this node for the request: measured, logged, and counted to its caller."""
    measured = request.app[METRICS].watch(events, label=request_label(request))
    return request[CALLER].counted(measured)
