"""What is asked of tools over plain HTTP and what is answered, for every door that serves them."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from tools.calls import Calls, Running
from tools.errors import ToolError
from tools.executor import ToolDescription
from tools.statuses import ERRORS
from tools.tool import Output


class ExecuteBody(BaseModel):
    """What POST /v1/tools/execute takes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    id: str | None = Field(None, min_length=1, max_length=200)
    session: str = Field("", max_length=200)
    stream: bool = False


class CancelBody(BaseModel):
    """What POST /v1/tools/cancel takes."""

    id: str


def listed(descriptions: Sequence[ToolDescription]) -> dict[str, Any]:
    """What GET /v1/tools answers: tools as a chat request takes them."""
    data = [{"type": "function", "function": asdict(each)} for each in descriptions]
    return {"object": "list", "data": data}


def result(id: str, name: str, output: Output) -> dict[str, Any]:
    """A call that did its work."""
    return {"id": id, "name": name, "output": output.text, "metadata": dict(output.metadata)}


def failed(error: ToolError) -> tuple[int, dict[str, Any]]:
    """A call that did not: status and body."""
    status, code = ERRORS.get(type(error), (422, "tool_failed"))
    return status, error_body(status, code, str(error))


def error_body(status: int, code: str, message: str) -> dict[str, Any]:
    """OpenAI's shape: `code` is for programs, the message for people."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


async def events(calls: Calls, running: Running, name: str) -> AsyncGenerator[str]:
    """Output as it comes, then the result or the error. Leaving it ends the call."""
    try:
        yield _event("start", {"id": running.id})
        async for text in running.said():
            yield _event("output", {"text": text})
        try:
            output = await running.output()
        except ToolError as error:
            yield _event("error", failed(error)[1])
        else:
            yield _event("result", result(running.id, name, output))
    finally:
        await calls.end(running)


def _event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
