"""The client door as an aiohttp application: routes, and what happens around every request."""

import asyncio
import logging
import secrets
import time
from collections import deque

from aiohttp import web
from aiohttp.typedefs import Handler

from api.admission import ask_for_key
from api.agent import Agent
from api.context import (
    AGENT,
    FAILURE,
    FEDERATION,
    KEYRING,
    METRICS,
    PEERS,
    POOL,
    PULSE_S,
    REQUEST_ID,
    SUCCESSOR,
    TOOLS,
    VERDICTS,
    note_failure,
)
from api.errors import error_response, json_response, plain_error, status_of
from api.federation import add_routes
from api.keyring import Keyring
from api.metrics import Metrics
from api.openai.chat import chat_completions
from api.openai.completions import completions
from api.openai.embeddings import embeddings
from api.openai.models import get_model, list_models, load_model, unload_model
from api.paths import TOOL_PATHS, path_hint
from api.sse import STREAMS, end_streams
from api.tool_routes import add_tool_routes
from api.usage import usage
from federation.federation import Federation
from guard import Door, refusal
from swarm.engines.base import Engine, EngineLoad
from swarm.errors import EngineError, EngineNotReady, SwarmError
from swarm.pool import Pool
from swarm.successor import Successor
from tools.executor import Executor

logger = logging.getLogger(__name__)

_DOOR = web.AppKey("door", Door)
_LOAD_SECONDS = 1.0
_VERDICTS = 32


def make_app(
    pool: Pool,
    door: Door,
    *,
    federation: Federation | None = None,
    keyring: Keyring | None = None,
    agent: Agent | None = None,
    tools: Executor | None = None,
    successor: Successor | None = None,
    metrics: Metrics | None = None,
    pulse_s: float = 2.0,
) -> web.Application:
    """The application that serves `pool`, `tools` and the federation's peers, behind `door` and
    `keyring`.

    `agent` works on requests of clients without tools.

    Start and stop the pool yourself.
    """
    app = web.Application(middlewares=[_observe, _report, _guard, ask_for_key])
    app[POOL] = pool
    app[PEERS] = federation.peers if federation is not None else tuple
    app[FEDERATION] = federation
    app[AGENT] = agent
    app[SUCCESSOR] = successor
    app[VERDICTS] = deque(maxlen=_VERDICTS)
    app[METRICS] = metrics or Metrics()
    app[PULSE_S] = pulse_s
    app[STREAMS] = set()
    app.on_shutdown.append(end_streams)
    app[KEYRING] = keyring or Keyring()
    app[_DOOR] = door
    app[TOOLS] = tools
    if tools is not None:
        add_tool_routes(app, tools, beyond=door.beyond)
    app.on_response_prepare.append(_name_request)
    # Slashes may be doubled or trail: clients join base URLs and paths in every way.
    app.router.add_post(
        "/{_:/*}v1{__:/+}chat/completions{___:/*}", chat_completions, name="chat_completions"
    )
    app.router.add_post("/{_:/*}v1{__:/+}completions{___:/*}", completions, name="completions")
    app.router.add_post("/{_:/*}v1{__:/+}embeddings{___:/*}", embeddings, name="embeddings")
    app.router.add_get("/{_:/*}v1{__:/+}models{___:/*}", list_models, name="models")
    app.router.add_post("/{_:/*}v1{__:/+}models/{id:.+}/load{___:/*}", load_model, name="load")
    app.router.add_post(
        "/{_:/*}v1{__:/+}models/{id:.+}/unload{___:/*}", unload_model, name="unload"
    )
    app.router.add_get("/{_:/*}v1{__:/+}models/{id:.+}", get_model, name="model")
    app.router.add_get("/{_:/*}v1{__:/+}usage{___:/*}", usage, name="usage")
    add_routes(app)
    app.router.add_get("/{_:/*}health{__:/*}", _health, name="health")
    app.router.add_get("/{_:/*}metrics{__:/*}", _metrics, name="metrics")
    return app


async def _health(request: web.Request) -> web.StreamResponse:
    """`ok` when the default model can generate, or could once a request loads it."""
    pool = request.app[POOL]
    engine = pool.models[0].engine
    present = [model.id for model in pool.models if pool.status(model) == "loaded"]
    resident = pool.loading.resident(pool.models[0].id)
    if pool.loading.begun and resident is not None and not resident.present:
        return json_response({"status": "ok", "models": present})
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            await engine.load()
    except EngineNotReady as error:
        headers = {"Retry-After": str(error.retry_after_s)}
        return json_response(
            {"status": "loading", "detail": str(error)}, status=503, headers=headers
        )
    except EngineError as error:
        return json_response({"status": "failed", "detail": str(error)}, status=503)
    except TimeoutError:
        pass  # A long step is being computed: busy, and alive.
    return json_response({"status": "ok", "models": present})


async def _metrics(request: web.Request) -> web.StreamResponse:
    pool = request.app[POOL]
    models = [model for model in pool.models if pool.status(model) == "loaded"]
    loads = await asyncio.gather(*(_load_of(model.engine) for model in models))
    names = [model.id for model in models]
    request.app[METRICS].engine_loads(dict(zip(names, loads, strict=True)))
    federation = request.app[FEDERATION]
    if federation is not None:
        request.app[METRICS].peers(federation.figures())
    headers = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    return web.Response(body=request.app[METRICS].exposition(), headers=headers)


async def _load_of(engine: Engine) -> EngineLoad | None:
    try:
        async with asyncio.timeout(_LOAD_SECONDS):
            return await engine.load()
    except (EngineError, TimeoutError):
        return None


async def _name_request(request: web.Request, response: web.StreamResponse) -> None:
    if REQUEST_ID not in request:  # aiohttp refuses an unknown `Expect` before anything here
        request[REQUEST_ID] = _new_id()
    response.headers["x-request-id"] = request[REQUEST_ID]


def _new_id() -> str:
    return f"req_{secrets.token_hex(8)}"


@web.middleware
async def _observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request and count its answer; a stream that failed, by what ended it."""
    request[REQUEST_ID] = _new_id()
    started = time.perf_counter()
    status = 499  # The client left; nothing was answered.
    try:
        response = await handler(request)
        failure = request.get(FAILURE)
        status = status_of(failure) if failure else response.status
        return response
    finally:
        resource = request.match_info.route.resource
        route = resource.name if resource and resource.name else "other"
        request.app[METRICS].answered(route, status, time.perf_counter() - started)


@web.middleware
async def _report(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every failure as an OpenAI error object. The one broad except of this door."""
    try:
        return await handler(request)
    except SwarmError as error:
        note_failure(request, error)
        return error_response(error)
    except web.HTTPException as error:
        return _http_error(request, error)
    except ConnectionError:
        raise
    except Exception:
        logger.exception("a request failed in a way that was not foreseen")
        body = plain_error("internal error", kind="server_error", code="internal_error")
        return json_response(body, status=500)


def _http_error(request: web.Request, error: web.HTTPException) -> web.Response:
    headers = {name: error.headers[name] for name in ("Allow", "Location") if name in error.headers}
    message, code = error.text or error.reason, None
    if isinstance(error, web.HTTPNotFound):
        more = TOOL_PATHS if request.app[TOOLS] is not None else ()
        message, code = path_hint(request.path, more), "path_not_found"
    elif isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        message, code = f"{request.path} takes {allowed}, not {error.method}", "method_not_allowed"
    elif isinstance(error, web.HTTPRequestEntityTooLarge):
        code = "request_too_large"
    return json_response(plain_error(message, code=code), status=error.status, headers=headers)


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn away who may not speak to this door."""
    own = request.transport.get_extra_info("sockname") if request.transport else None
    door = request.app[_DOOR]
    refused = refusal(
        door.at(str(own[0])) if own else door,
        method=request.method,
        hosts=request.headers.getall("Host", []),
        origins=request.headers.getall("Origin", []),
        content_type=request.headers.get("Content-Type", ""),
    )
    if refused is None:
        return await handler(request)
    return json_response(plain_error(refused.message, code=refused.code), status=refused.status)
