"""The same tools spoken as MCP, by the official package."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
)
from mcp_types import Tool as McpTool

from ending import ended
from tools.errors import ToolError
from tools.executor import Emit
from tools.registry import Registry

_INSTRUCTIONS = (
    "Tools on one machine of the house. Paths are within its workspace; commands run in a sandbox."
)
_ANSWER: dict[str, Any] = {
    "type": "object",
    "properties": {"answer": {"type": "string", "description": "Your answer"}},
    "required": ["answer"],
}

Context = ServerRequestContext[Any, Any]


def mcp_server(registry: Registry) -> Server[Any]:
    """A server of MCP over these tools. A call's progress carries its output as it comes."""

    async def list_tools(context: Context, page: PaginatedRequestParams | None) -> ListToolsResult:
        del context, page
        found = await registry.descriptions()
        return ListToolsResult(
            tools=[
                McpTool(
                    name=each.name,
                    description=each.description,
                    input_schema=dict(each.parameters),
                )
                for each in found
            ]
        )

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        try:
            async with _progress(context) as emit:
                output = await registry.execute(
                    params.name,
                    params.arguments or {},
                    session=_session(context),
                    emit=emit,
                    ask=lambda text: _ask(context, text),
                )
        except ToolError as error:
            return CallToolResult(content=[TextContent(text=str(error))], is_error=True)
        return CallToolResult(content=[TextContent(text=output.text)])

    return Server(
        "local-swarm-tools",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


@contextlib.asynccontextmanager
async def _progress(context: Context) -> AsyncGenerator[Emit]:
    """What is emitted in the block goes out as progress, in order, before the block ends."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    async def send() -> None:
        count = 0
        while (text := await lines.get()) is not None:
            count += 1
            await context.session.report_progress(count, message=text)

    sending = asyncio.create_task(send())
    try:
        yield lines.put_nowait
        lines.put_nowait(None)
        await sending
    finally:
        await ended(sending)


async def _ask(context: Context, text: str) -> str | None:
    """The person's answer, where the client can ask."""
    capabilities = context.session.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        return None
    if not context.session.can_send_request:
        return None
    told = await context.session.elicit_form(text, _ANSWER, context.request_id)
    if told.action != "accept" or not told.content:
        return None
    return str(told.content.get("answer", "")) or None


def _session(context: Context) -> str:
    headers: Any = getattr(context.request, "headers", None)
    return str(headers.get("mcp-session-id", "")) if headers is not None else ""
