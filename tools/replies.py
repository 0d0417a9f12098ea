"""What the tool server answers: results, and failures in OpenAI's shape of an error."""

from typing import Any

from starlette.responses import JSONResponse, Response

from tools.errors import TooBusy, ToolError
from tools.statuses import ERRORS
from tools.tool import Output


def result(id: str, name: str, output: Output) -> dict[str, Any]:
    """A call that did its work."""
    return {"id": id, "name": name, "output": output.text, "metadata": dict(output.metadata)}


def error_reply(error: ToolError) -> Response:
    """A call that did not."""
    status, code = ERRORS.get(type(error), (422, "tool_failed"))
    answer = failure(status, code, str(error))
    if isinstance(error, TooBusy):
        answer.headers["Retry-After"] = "1"
    return answer


def failure(status: int, code: str, message: str) -> Response:
    """`code` is for programs, the message for people."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JSONResponse(body, status_code=status)
