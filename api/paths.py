"""What to tell a client that asked for a path which is not there. Pure."""

import re

_SERVED = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/usage",
    "/health",
    "/metrics",
)
_INSTEAD = {
    "responses": "the responses API is not served; use /v1/chat/completions",
    "messages": "the messages API is not served; use /v1/chat/completions",
    "api/chat": "this is an OpenAI-compatible server; use /v1/chat/completions",
    "api/generate": "this is an OpenAI-compatible server; use /v1/completions",
    "tools": "this node runs no tools: start it with --tool-server, or --tool-host URL",
    "api/tags": "this is an OpenAI-compatible server; use /v1/models",
}


def path_hint(path: str) -> str:
    """One sentence that names the right path."""
    tail = re.sub(r"^(v1/+)+", "", path.strip("/"))
    for start, instead in _INSTEAD.items():
        if tail == start or tail.startswith(f"{start}/"):
            return f"there is no {path}: {instead}"
    for served in _SERVED:
        if tail and served in (f"/v1/{tail}", f"/{tail}"):
            return f"there is no {path}: use {served} (the base URL ends with /v1)"
    if tail.startswith("models/"):
        return f"there is no {path}: use /v1/{tail} (the base URL ends with /v1)"
    return f"there is no {path}: this server has {', '.join(_SERVED)}"
