"""A workspace with a secret beside it, and calls of tools in it."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.kept import KeptOutputs
from tools.tool import Call, Output, Session, Tool
from tools.workspace import Workspace

SECRET = "the secret beside the workspace"

Run = Callable[..., Awaitable[Output]]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no tool may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    return folder


@pytest.fixture
def workspace(tmp_path: Path, outside: Path) -> Iterator[Workspace]:
    root = tmp_path / "work"
    root.mkdir()
    with Workspace(root) as opened:
        yield opened


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptOutputs]:
    with KeptOutputs(tmp_path) as outputs:
        yield outputs


@pytest.fixture
def call(workspace: Workspace, kept: KeptOutputs) -> Call:
    return Call(workspace, kept, Session(), emit=lambda text: None)


@pytest.fixture
def run(call: Call) -> Run:
    """Run a tool with arguments as a model would write them."""

    async def run_tool(tool: Tool[Any], **arguments: object) -> Output:
        return await tool.run(tool.arguments.model_validate(arguments), call)

    return run_tool
