"""Every error as OpenAI's clients expect it: one table, one shape."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from swarm.errors import (
    ConfigurationError,
    ContextOverflow,
    EngineError,
    EngineLost,
    EngineNotReady,
    FixedOverflow,
    GenerationFailed,
    InvalidRequest,
    ModelLoadFailed,
    Overloaded,
    PeerError,
    SwarmError,
    ToolsUnavailable,
    UnknownModel,
)


@dataclass(frozen=True, slots=True)
class _Row:
    status: int
    type: str
    code: str | None = None


_TABLE: dict[type[SwarmError], _Row] = {
    InvalidRequest: _Row(400, "invalid_request_error"),
    ContextOverflow: _Row(400, "exceed_context_size_error", "context_length_exceeded"),
    FixedOverflow: _Row(400, "invalid_request_error"),
    UnknownModel: _Row(404, "invalid_request_error", "model_not_found"),
    Overloaded: _Row(429, "rate_limit_error", "too_many_requests"),
    EngineNotReady: _Row(503, "server_error", "engine_not_ready"),
    ModelLoadFailed: _Row(500, "server_error", "model_load_failed"),
    EngineLost: _Row(503, "server_error", "engine_lost"),
    GenerationFailed: _Row(500, "server_error", "generation_failed"),
    EngineError: _Row(500, "server_error", "engine_error"),
    ToolsUnavailable: _Row(502, "server_error", "tools_unavailable"),
    PeerError: _Row(502, "server_error", "peer_error"),
    ConfigurationError: _Row(500, "server_error", "configuration_error"),
    SwarmError: _Row(500, "server_error", "internal_error"),
}


def status_of(error: SwarmError) -> int:
    """The HTTP status of an error of ours."""
    return _row(error).status


def error_object(error: SwarmError) -> dict[str, Any]:
    """The body for an error of ours: `{"error": {...}}`."""
    row = _row(error)
    body = plain_error(str(error), kind=row.type, code=row.code, param=_param(error))
    if isinstance(error, ContextOverflow) and not isinstance(error, FixedOverflow):
        body["error"] |= {"n_prompt_tokens": error.prompt_tokens, "n_ctx": error.context_tokens}
    return body


def plain_error(
    message: str,
    *,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
) -> dict[str, Any]:
    """The body for an error that is not in the tree, such as a wrong path."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(error: SwarmError) -> web.Response:
    """The whole answer for an error of ours, with Retry-After where asking again helps."""
    headers: dict[str, str] = {}
    if isinstance(error, Overloaded | EngineNotReady | EngineLost):
        headers["Retry-After"] = str(error.retry_after_s)
    return json_response(error_object(error), status=status_of(error), headers=headers)


def json_response(
    body: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A JSON answer as bytes, so that its length is known."""
    raw = json.dumps(body).encode()
    return web.Response(body=raw, status=status, headers=headers, content_type="application/json")


def _row(error: SwarmError) -> _Row:
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def _param(error: SwarmError) -> str | None:
    if isinstance(error, InvalidRequest | ContextOverflow):
        return error.param
    return "model" if isinstance(error, UnknownModel) else None


@contextmanager
def naming(path: str) -> Generator[None]:
    """A prompt that is refused in here, as too long or wrong, stands at this place of the request.

    What is said of another field is so for all prompts.
    """
    try:
        yield
    except ContextOverflow as error:
        error.param = path
        raise
    except InvalidRequest as error:
        if error.param == path.partition("[")[0]:
            error.param = path
        raise
