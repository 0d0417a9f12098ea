"""What the owner's settings make of the tools: workspace, sandbox, the server's address and token.

The tools' libraries are imported when it starts.
"""
# ruff: noqa: PLC0415

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from federation.files import make_private_folder, write_private
from federation.interfaces import lan_addresses, read_interfaces
from flags import LAN
from guard import LOOPBACK_NAMES, Door
from settings import Settings
from swarm.errors import ConfigurationError

if TYPE_CHECKING:
    from tools.bounds import Bounds, Sandbox
    from tools.registry import Executor, Registry

logger = logging.getLogger(__name__)

TOKEN_FILE = "tool-token"  # noqa: S105  a name
_LOOPBACK = "127.0.0.1"
_PROJECT_MARKS = (".git", "opencode.json", "pyproject.toml", "package.json", "Cargo.toml", "go.mod")


@dataclass(frozen=True, slots=True)
class Place:
    """Tools that this node may use, and where they run, in words."""

    tools: "Executor"
    name: str


@contextlib.asynccontextmanager
async def tool_door(settings: Settings, say: Callable[[str], None]) -> AsyncGenerator[Place | None]:
    """The tools of this node while the block runs, if the owner wants any, and their server.

    Those of another tool server, where only the agent needs them. Raises ConfigurationError.
    """
    if not (settings.tool_server or settings.agent):
        yield None
        return
    if settings.tool_host is not None and not settings.tool_server:
        from tools.remote import RemoteTools

        url, token = await asyncio.to_thread(other_server, settings, settings.tool_host)
        async with RemoteTools(url, token=token) as remote:
            say(f"  agent      works with the tools of {url}")
            yield Place(remote, url)
        return
    async with _registry(settings, say) as registry:
        if settings.agent:
            say("  agent      works in this workspace for clients without tools of their own")
        server = _server(settings, registry, say) if settings.tool_server else _none()
        async with server:
            yield Place(registry, "this node")


@contextlib.asynccontextmanager
async def _none() -> AsyncGenerator[None]:
    yield


@contextlib.asynccontextmanager
async def _server(
    settings: Settings, registry: "Registry", say: Callable[[str], None]
) -> AsyncGenerator[None]:
    from tools.server import ToolServer, make_app

    host = await asyncio.to_thread(listening_host, settings.tool_host)
    token = await asyncio.to_thread(_token, settings, host)
    names = (*LOOPBACK_NAMES, *([] if is_loopback(host) else [in_url(host)]))
    door = Door(settings.tool_port, names=names)
    for chatty in ("mcp", "sse_starlette", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    async with contextlib.AsyncExitStack() as stack:
        app = make_app(registry, door, token=token)
        try:
            await stack.enter_async_context(ToolServer(app, host=host, port=settings.tool_port))
        except OSError as error:
            raise ConfigurationError(
                f"--tool-port {settings.tool_port}: {error.strerror or error}; "
                "choose another with --tool-port N"
            ) from error
        base = f"http://{in_url(host)}:{settings.tool_port}"
        asks = f"token in {settings.state / TOKEN_FILE}" if token else "this machine only"
        if settings.tool_token is not None:
            asks = "with the token of your settings"
        say(f"  tools      {base}/v1/tools, MCP: {base}/mcp ({asks})")
        yield


@contextlib.asynccontextmanager
async def _registry(settings: Settings, say: Callable[[str], None]) -> "AsyncGenerator[Registry]":
    from tools.bounds import Bounds
    from tools.errors import ToolError
    from tools.fetcher import Fetcher
    from tools.kept import KeptOutputs
    from tools.registry import Registry
    from tools.tool import Times
    from tools.workspace import Workspace

    root = await asyncio.to_thread(workspace_root, settings.workspace, settings.state)
    stack = contextlib.ExitStack()
    try:
        workspace = await asyncio.to_thread(lambda: stack.enter_context(Workspace(root)))
        kept = await asyncio.to_thread(lambda: stack.enter_context(KeptOutputs()))
        bounds = Bounds(
            workspace.root,
            await asyncio.to_thread(_scratch, stack),
            kept.folder.root,
            readable=settings.tools.readable,
            network="all" if settings.allow_network else "none",
        )
        sandbox = await _sandbox(settings, bounds)
        say(f"  workspace  {workspace.root} (sandbox: {sandbox.name})")
        for note in sandbox.notes:
            logger.warning("%s", note)
        told = settings.tools
        yield Registry(
            workspace,
            kept,
            sandbox=sandbox,
            fetcher=Fetcher() if settings.allow_network else None,
            times=Times(told.usual_s, told.packages_s, told.longest_s),
            output_chars=told.output_chars,
        )
    except ToolError as error:
        flag = "--tool-server" if settings.tool_server else "--agent"
        raise ConfigurationError(f"{flag}: {error}") from error
    finally:
        await asyncio.to_thread(stack.close)


async def _sandbox(settings: Settings, bounds: "Bounds") -> "Sandbox":
    from tools.sandbox import choose_sandbox, unconfined

    if settings.sandbox:
        return await choose_sandbox(bounds)
    return await asyncio.to_thread(unconfined, bounds)


def _scratch(stack: contextlib.ExitStack) -> Path:
    """A home and temporary files for commands, as long as this server runs."""
    folder = tempfile.TemporaryDirectory(prefix="swarm-scratch-", ignore_cleanup_errors=True)
    path = Path(stack.enter_context(folder))
    (path / "home").mkdir()
    return path


def workspace_root(wanted: Path | None, state: Path) -> Path:
    """The folder that the owner named, else the project around the working directory.

    Raises ConfigurationError for a folder that holds this node's own keys.
    """
    root = (wanted or project_around(Path.cwd())).resolve()
    if state.resolve().is_relative_to(root):
        raise ConfigurationError(
            f"--workspace {root} holds this node's keys ({state}); name a folder of your project"
        )
    return root


def project_around(folder: Path) -> Path:
    """The nearest folder above that looks like a project's root, else the folder itself."""
    for each in (folder, *folder.parents):
        if any((each / mark).exists() for mark in _PROJECT_MARKS):
            return each
    return folder


def listening_host(wanted: str | None) -> str:
    """The address to listen on. Raises ConfigurationError where it is none of this machine's."""
    if wanted is None:
        return _LOOPBACK
    own = [each.address for each in lan_addresses(read_interfaces())]
    if wanted == LAN:
        if not own:
            raise ConfigurationError("--tool-host: this machine has no address on a LAN")
        return own[0]
    host = urlsplit(wanted if "//" in wanted else f"//{wanted}").hostname or ""
    if is_loopback(host):
        return _LOOPBACK if host == "localhost" else host
    if host not in own:
        raise ConfigurationError(
            f"--tool-host {wanted}: not an address of this machine; it has {', '.join(own)}"
        )
    return host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def in_url(host: str) -> str:
    """An address as it stands in a URL and in a Host header."""
    return f"[{host}]" if ":" in host else host


def _token(settings: Settings, host: str) -> str | None:
    """The owner's, else one that is made and kept where others may reach the door."""
    if settings.tool_token is not None:
        return settings.tool_token.get_secret_value()
    if is_loopback(host):
        return None
    if kept := _kept_token(settings):
        return kept
    path = settings.state / TOKEN_FILE
    made = secrets.token_urlsafe(32)
    make_private_folder(settings.state)
    write_private(path, f"{made}\n".encode())
    logger.info("a token for the tool server was made; it is in %s", path)
    return made


def _kept_token(settings: Settings) -> str | None:
    with contextlib.suppress(FileNotFoundError):
        return (settings.state / TOKEN_FILE).read_text().strip() or None
    return None


def other_server(settings: Settings, wanted: str) -> tuple[str, str | None]:
    """The address of the tool server that the agent uses, and its token.

    The token that is kept here is for this machine's own server only. Raises ConfigurationError.
    """
    token = settings.tool_token.get_secret_value() if settings.tool_token else None
    if wanted == LAN:
        return f"http://{in_url(listening_host(LAN))}:{settings.tool_port}", (
            token or _kept_token(settings)
        )
    form = "it looks like http://192.168.1.5:17616"
    try:
        parts = urlsplit(wanted if "//" in wanted else f"http://{wanted}")
        host, port = parts.hostname, parts.port or settings.tool_port
    except ValueError as error:
        raise ConfigurationError(f"--tool-host: {error}; {form}") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise ConfigurationError(f"--tool-host names no tool server: {form}")
    return f"{parts.scheme}://{in_url(host)}:{port}", token
