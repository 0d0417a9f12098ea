"""GET /v1/models and /v1/models/{id}: what a client may ask for."""

from typing import Any

from aiohttp import web

from api.context import CALLER, POOL
from api.errors import json_response
from swarm.engines.base import ModelInfo
from swarm.errors import EngineError
from swarm.pool import Pool


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


def _model_object(pool: Pool, name: str) -> dict[str, Any]:
    model = pool.resolve(name)
    body: dict[str, Any] = {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "local-swarm",
        "root": model.id,
    }
    try:
        return body | _facts(model.engine.info)
    except EngineError:
        return body


def _facts(info: ModelInfo) -> dict[str, Any]:
    """What is known of a loaded model, under the names that other servers use."""
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
