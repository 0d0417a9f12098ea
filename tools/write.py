"""The tool `write`: a whole file, with the folders that it needs."""

from pydantic import Field

from tools.tool import Arguments, CallContext, Output, Tool


class WriteArguments(Arguments):
    """OpenCode's names."""

    content: str = Field(description="The content to write to the file")
    filePath: str = Field(description="The absolute path to the file to write")  # noqa: N815


async def _run(arguments: WriteArguments, context: CallContext) -> Output:
    content = arguments.content.encode(errors="replace")
    existed = await context.threads.run(context.workspace.write, arguments.filePath, content)
    path = context.workspace.absolute(arguments.filePath)
    what = "Replaced" if existed else "Made"
    return Output(f"{what} {path} ({len(content)} bytes).", {"path": path, "existed": existed})


WRITE = Tool(
    "write",
    "Write a file: it is made, or replaced as a whole. Prefer `edit` for files that exist.",
    WriteArguments,
    _run,
)
