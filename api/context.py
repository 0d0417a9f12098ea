"""What the handlers of one app share, under typed keys."""

from collections.abc import Callable, Sequence

from aiohttp import web

from api.metrics import Metrics
from swarm.pool import Pool
from swarm.proposer import Proposer

POOL = web.AppKey("pool", Pool)
PEERS: web.AppKey[Callable[[], Sequence[Proposer]]] = web.AppKey("peers")
"""The peers that are ready now."""

METRICS = web.AppKey("metrics", Metrics)
PULSE_S = web.AppKey("pulse_s", float)

REQUEST_ID = web.RequestKey("request_id", str)


def request_label(request: web.Request) -> str:
    """How logs name the request."""
    return request[REQUEST_ID]
