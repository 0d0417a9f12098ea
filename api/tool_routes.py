"""Tools at the client door: what runs them for this node, here or elsewhere, runs them for clients.

The paths are those of the tool server.
"""

from contextlib import aclosing

from aiohttp import web

from api.context import CALLER
from api.errors import json_response
from api.openai.body import body_of
from tools.bodies import CancelBody, ExecuteBody, error_body, events, failed, listed, result
from tools.calls import Calls
from tools.errors import ToolError
from tools.executor import Executor


def add_tool_routes(app: web.Application, executor: Executor, *, beyond: bool) -> None:
    """The paths under /v1/tools. `beyond`: whether others than this machine reach the door; then
    nobody without a key may use them.
    """
    routes = _Routes(executor, beyond=beyond)
    app.router.add_get("/{_:/*}v1{__:/+}tools{___:/*}", routes.tools, name="tools")
    app.router.add_post("/{_:/*}v1{__:/+}tools/execute{___:/*}", routes.execute, name="execute")
    app.router.add_post("/{_:/*}v1{__:/+}tools/cancel{___:/*}", routes.cancel, name="cancel")


class _Routes:
    def __init__(self, executor: Executor, *, beyond: bool) -> None:
        self._executor = executor
        self._calls = Calls(executor)
        self._beyond = beyond

    async def tools(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        try:
            return json_response(listed(await self._executor.descriptions()))
        except ToolError as error:
            return _failure(error)

    async def execute(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        body = await body_of(request, ExecuteBody)
        try:
            running = self._calls.start(body.id, body.name, body.arguments, session=body.session)
        except ToolError as error:
            return _failure(error)
        if body.stream:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            async with aclosing(events(self._calls, running, body.name)) as lines:
                async for line in lines:
                    if not response.prepared:  # only what has begun is ended when it is left
                        await response.prepare(request)
                    await response.write(line.encode())
            return response
        try:
            return json_response(result(running.id, body.name, await running.output()))
        except ToolError as error:
            return _failure(error)
        finally:
            await self._calls.end(running)

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refused(request)) is not None:
            return refused
        body = await body_of(request, CancelBody)
        if not await self._calls.cancel(body.id):
            said = error_body(404, "unknown_call", f"no call with the id {body.id!r} runs")
            return json_response(said, status=404)
        return json_response({"id": body.id, "cancelled": True})

    def _refused(self, request: web.Request) -> web.Response | None:
        caller = request[CALLER]
        if not caller.may_run_tools:
            said = "this key is for models only, and runs no tools"
        elif self._beyond and not caller.has_key:
            said = "a node that is open to others without keys runs no tools for them"
        else:
            return None
        return json_response(error_body(403, "tools_not_allowed", said), status=403)


def _failure(error: ToolError) -> web.Response:
    status, body = failed(error)
    headers = {"Retry-After": "1"} if status == 429 else None
    return json_response(body, status=status, headers=headers)
