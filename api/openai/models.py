"""GET /v1/models and /v1/models/{id}: what a client may ask for; loading and unloading it."""

from typing import Any

from aiohttp import web

from api.context import CALLER, POOL
from api.errors import json_response
from swarm.engines.base import ModelInfo
from swarm.errors import EngineError, InvalidRequest
from swarm.pool import Pool, ServedModel


async def list_models(request: web.Request) -> web.StreamResponse:
    """Every id that this node answers to, and that the caller may use."""
    pool = request.app[POOL]
    allowed = request[CALLER].models
    names = [name for name in pool.ids() if allowed is None or name in allowed]
    return json_response({"object": "list", "data": [_model_object(pool, name) for name in names]})


async def get_model(request: web.Request) -> web.StreamResponse:
    """One id; it may hold slashes and colons."""
    name = request.match_info["id"].rstrip("/")
    request[CALLER].must_be_allowed(name)
    return json_response(_model_object(request.app[POOL], name))


async def load_model(request: web.Request) -> web.StreamResponse:
    """Load the model of an id and answer when it is; its own settings hold."""
    pool = request.app[POOL]
    name = request.match_info["id"]
    request[CALLER].must_be_allowed(name)
    async with pool.held(name) as model:
        _ = model.engine.info  # one that is started again just now says why
        return json_response(_model_object(pool, name))


async def unload_model(request: web.Request) -> web.StreamResponse:
    """Free the memory of a model that nobody uses; the next request loads it again."""
    pool = request.app[POOL]
    name = request.match_info["id"]
    request[CALLER].must_be_allowed(name)
    model = pool.resolve(name)
    resident = pool.loading.resident(model.id)
    if resident is None or (resident.status == "loaded" and resident.plan is None):
        raise InvalidRequest(f"{model.id} is run by another server, which loads and unloads it")
    await pool.loading.unload(model.id)
    return json_response(_model_object(pool, name))


def _model_object(pool: Pool, name: str) -> dict[str, Any]:
    model = pool.resolve(name)
    body: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "local-swarm",
        "root": model.id,
        "status": pool.status(model),
    }
    info = _last_info(pool, model)
    return body | _facts(info) | speed_of(pool, model.id) if info else body


def _last_info(pool: Pool, model: ServedModel) -> ModelInfo | None:
    """What the model tells, or told before it was unloaded: clients plan by its context, and a
    request loads it again.
    """
    try:
        return model.engine.info
    except EngineError:
        resident = pool.loading.resident(model.id)
        return resident.last_info if resident else None


def speed_of(pool: Pool, model_id: str) -> dict[str, Any]:
    """Tokens a second of one stream: as planned, from and to, and as measured, once it was."""
    resident = pool.loading.resident(model_id)
    if resident is None or resident.plan is None:
        return {}
    expected = [round(each, 1) for each in resident.plan.tokens_per_s]
    measured = resident.measured_tokens_per_s
    told = None if measured is None else round(measured, 1)
    return {"tokens_per_s": {"expected": expected, "measured": told}}


def _facts(info: ModelInfo) -> dict[str, Any]:
    """What is known of a model that was loaded, under the names that other servers use."""
    return {
        "context_length": info.context_tokens,
        "max_model_len": info.context_tokens,
        "description": info.description,
        "meta": {
            "architecture": info.architecture,
            "n_params": info.parameters,
            "size": info.size_bytes,
            "n_vocab": info.vocabulary,
            "n_ctx_train": info.trained_context_tokens,
        },
    }
