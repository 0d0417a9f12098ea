"""What the handlers of one app share, under typed keys."""

from aiohttp import web

from api.metrics import Metrics
from swarm.pool import Pool

POOL = web.AppKey("pool", Pool)
METRICS = web.AppKey("metrics", Metrics)
PULSE_S = web.AppKey("pulse_s", float)

REQUEST_ID = web.RequestKey("request_id", str)


def request_label(request: web.Request) -> str:
    """How logs name the request."""
    return request[REQUEST_ID]
