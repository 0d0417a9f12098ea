"""What to tell a client that asked for a path which is not there. Pure."""

import re
from collections.abc import Sequence

_SERVED = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/usage",
    "/v1/federation/diagnostics",
    "/v1/federation/peers",
    "/health",
    "/metrics",
)
TOOL_PATHS = ("/v1/tools", "/v1/tools/execute", "/v1/tools/cancel")
"""Paths that a node that has tools serves beside the others."""

_INSTEAD = {
    "responses": "the responses API is not served; use /v1/chat/completions, which"
    " is the client's chat-completions model (README.md, Connect a client)",
    "messages": "the messages API is not served; use /v1/chat/completions",
    "api/chat": "this is an OpenAI-compatible server; use /v1/chat/completions",
    "api/generate": "this is an OpenAI-compatible server; use /v1/completions",
    "api/tags": "this is an OpenAI-compatible server; use /v1/models",
}
_NO_TOOLS = {"tools": "this node runs no tools: start it with --tool-server, or --tool-host URL"}


def path_hint(path: str, more: Sequence[str] = ()) -> str:
    """One sentence that names the right path; `more` are the `TOOL_PATHS` where they are served."""
    tail = re.sub(r"^(v1/+)+", "", path.strip("/"))
    for served in (*_SERVED, *more):
        if tail and served in (f"/v1/{tail}", f"/{tail}"):
            why = " (the base URL ends with /v1)" if served.startswith("/v1/") else ""
            return f"there is no {path}: use {served}{why}"
    for start, instead in (_INSTEAD if more else _INSTEAD | _NO_TOOLS).items():
        if tail == start or tail.startswith(f"{start}/"):
            return f"there is no {path}: {instead}"
    if tail.startswith("models/"):
        return f"there is no {path}: use /v1/{tail} (the base URL ends with /v1)"
    return f"there is no {path}: this server has {', '.join((*_SERVED, *more))}"
