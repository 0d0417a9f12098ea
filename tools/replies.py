"""What the tool server answers where a call fails, as Starlette's responses."""

from starlette.responses import JSONResponse, Response

from tools.bodies import error_body, failed
from tools.errors import TooBusy, ToolError


def error_reply(error: ToolError) -> Response:
    """A call that did not do its work."""
    status, body = failed(error)
    headers = {"Retry-After": "1"} if isinstance(error, TooBusy) else None
    return JSONResponse(body, status_code=status, headers=headers)


def failure(status: int, code: str, message: str) -> Response:
    """A refusal before any call."""
    return JSONResponse(error_body(status, code, message), status_code=status)
