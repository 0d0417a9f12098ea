"""A workspace with a secret beside it, and calls of tools in it."""

import dataclasses
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.bash import BASH
from tools.bounds import Bounds, Sandbox
from tools.bubblewrap import Bubblewrap
from tools.kept import KeptOutputs
from tools.registry import MOST_CALLS
from tools.sandbox import Landlocked, find_bash
from tools.threads import Threads
from tools.tool import CallContext, Output, Session, Tool
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
def threads() -> Iterator[Threads]:
    with Threads(MOST_CALLS) as running:
        yield running


@pytest.fixture
def context(workspace: Workspace, kept: KeptOutputs, threads: Threads) -> CallContext:
    return CallContext(workspace, kept, threads, Session(), emit=lambda text: None)


@pytest.fixture
def run(context: CallContext) -> Run:
    """Run a tool with arguments as a model would write them."""

    async def run_tool(tool: Tool[Any], **arguments: object) -> Output:
        return await tool.run(tool.arguments.model_validate(arguments), context)

    return run_tool


@pytest.fixture
def bounds(tmp_path: Path, workspace: Workspace, kept: KeptOutputs) -> Bounds:
    scratch = tmp_path / "scratch"
    (scratch / "home").mkdir(parents=True)
    return Bounds(workspace.root, scratch, kept.folder.root)


@pytest.fixture(
    params=[
        pytest.param("bubblewrap", marks=pytest.mark.needs("bubblewrap")),
        pytest.param("Landlock", marks=pytest.mark.needs("landlock")),
    ]
)
def sandbox(request: pytest.FixtureRequest, bounds: Bounds) -> Sandbox:
    """Both sandboxes of Linux, of which a machine uses one."""
    if request.param == "bubblewrap":
        program = shutil.which("bwrap")
        assert program is not None
        return Bubblewrap(program, find_bash(), bounds)
    return Landlocked(find_bash(), bounds, ())


@pytest.fixture
def confined(context: CallContext, sandbox: Sandbox) -> CallContext:
    """The context of a call whose commands run in the sandbox."""
    return dataclasses.replace(context, sandbox=sandbox)


@pytest.fixture
def shell(confined: CallContext) -> Run:
    """Run the tool bash in the sandbox."""

    async def run_command(command: str, **arguments: object) -> Output:
        told = {"command": command, **arguments}
        return await BASH.run(BASH.arguments.model_validate(told), confined)

    return run_command
