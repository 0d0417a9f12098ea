"""What the owner's settings make of tools: a tool server here, or another machine's.

The tools' libraries are imported when it starts.
"""
# ruff: noqa: PLC0415

import asyncio
import contextlib
import functools
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.keyring import read_key, write_key
from api.listening import Listening, door_url, own_addresses
from api.tool_address import still_listening, tool_listening
from api.tool_workspace import readable, scratch, temporary, workspace_root
from ending import beside, whole
from federation.wire import ToolKey
from guard import Door
from hardware.listener import holder_of
from private_files import STATE_ADVICE
from settings import Settings
from swarm.errors import ConfigurationError, in_words
from workspaces import remember

if TYPE_CHECKING:
    from federation.federation import Federation
    from tools.bounds import Bounds, Sandbox
    from tools.executor import Executor
    from tools.registry import Registry

logger = logging.getLogger(__name__)

TOKEN_FILE = "tool-token"  # noqa: S105  a name
WATCH_S = 3.0
"""How often this machine's addresses are looked at, as the federation does."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """Tools that this node uses, where they run, and whether its clients may call them too."""

    tools: "Executor"
    name: str
    shared: bool
    workspace: Path | None = None

    def may_write(self, file: Path) -> bool:
        """Whether a tool could make this file."""
        return self.workspace is not None and file.resolve().is_relative_to(self.workspace)


@contextlib.asynccontextmanager
async def tools_of(
    settings: Settings,
    federation: "Federation | None",
    say: Callable[[str], None],
    *,
    system: str = os.name,
) -> AsyncGenerator[Toolbox | None]:
    """What runs tools for this node while the block runs, if the owner wants any: this machine,
    for its tool server or its agent, else the tool server at `--tool-host`.

    `system` is the kind of this machine's, in Python's words. Raises ConfigurationError.
    """
    if settings.agent:
        say("  agent      works for clients without tools of their own, with these:")
    if settings.tool_server or (settings.agent and settings.tool_host is None):
        async with _registry(settings, say, system) as registry:
            server = _server(settings, registry, federation, say)
            async with server if settings.tool_server else contextlib.nullcontext():
                shared = settings.tool_server
                yield Toolbox(registry, "this node", shared=shared, workspace=registry.root)
    elif settings.tool_host is not None:
        from api.tool_host import remote_tools

        remote, url = await remote_tools(settings, federation, say)
        async with remote:
            yield Toolbox(remote, url, shared=True)
    else:
        yield None


@contextlib.asynccontextmanager
async def _server(
    settings: Settings,
    registry: "Registry",
    federation: "Federation | None",
    say: Callable[[str], None],
) -> AsyncGenerator[None]:
    from tools.server import ToolServer, make_app

    where = await asyncio.to_thread(tool_listening, settings.tool_host, settings.tool_port)
    token = await asyncio.to_thread(_token, settings, where)
    # Beyond loopback it goes where the machine goes, to addresses that are no names yet.
    any_address = where.beyond
    door = Door(settings.tool_port, where.names, any_address=any_address, beyond=where.beyond)
    for chatty in ("mcp", "sse_starlette", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    async with contextlib.AsyncExitStack() as stack:
        members = federation.tool_keys.members_token if federation else lambda: None
        app = make_app(registry, door, token=token, other_token=members)
        try:
            server = ToolServer(app, hosts=where.hosts, port=settings.tool_port)
            await stack.enter_async_context(server)
        except OSError as error:
            why = error.strerror or str(error)
            if holder := await asyncio.to_thread(holder_of, settings.tool_port):
                why = f"in use by {holder}"
            raise ConfigurationError(
                f"--tool-port {settings.tool_port}: {why}; choose another with --tool-port N"
            ) from error
        base = door_url(where.address, settings.tool_port)
        asks = f"token in {settings.state / TOKEN_FILE}" if token else "this machine only"
        if settings.tool_token is not None:
            asks = "with the token of your settings"
        say(f"  tools      {base}/v1/tools, MCP: {base}/mcp ({asks})")

        def publish(where: Listening) -> None:
            if federation is not None and token is not None and where.beyond:
                own = ToolKey(host=where.address, port=settings.tool_port, token=token)
                federation.tool_keys.own = own

        async def moved(where: Listening) -> None:
            await server.listen(where.hosts)
            publish(where)
            logger.info(
                "this machine's tools are at %s now", door_url(where.address, settings.tool_port)
            )

        publish(where)
        if where.beyond:
            look = functools.partial(still_listening, settings.tool_host or "")
            following = beside(follow(where, look, moved), "following this machine's address")
            await stack.enter_async_context(following)
        yield


async def follow(
    where: Listening,
    look: Callable[[Listening], Listening],
    moved: Callable[[Listening], Awaitable[None]],
    *,
    every_s: float = WATCH_S,
) -> None:
    """Tell where the door belongs when that changes. Where it cannot go yet, it is tried again."""
    trouble = ""
    while True:
        await asyncio.sleep(every_s)
        try:
            now = await asyncio.to_thread(look, where)
            if now != where:
                await moved(now)
            where, trouble = now, ""
        except (ConfigurationError, OSError) as error:
            if trouble != (trouble := str(error)):
                logger.warning("the tools stay at %s: %s", where.address, error)


@contextlib.asynccontextmanager
async def _registry(
    settings: Settings, say: Callable[[str], None], system: str
) -> "AsyncGenerator[Registry]":
    flag = "--tool-server" if settings.tool_server else "--agent"
    if system != "posix":  # before the imports, of which some need it
        raise ConfigurationError(f"{flag}: tools run on Linux and macOS only")
    from tools.bounds import Bounds
    from tools.errors import ToolError
    from tools.fetcher import Fetcher
    from tools.kept import KeptOutputs
    from tools.registry import MOST_CALLS, Registry
    from tools.threads import Threads
    from tools.tool import Times
    from tools.workspace import Workspace

    root = await asyncio.to_thread(workspace_root, settings.workspace, settings.state)
    stack, running = contextlib.ExitStack(), contextlib.AsyncExitStack()
    running.push_async_callback(asyncio.to_thread, stack.close)  # last, however the rest ends
    try:  # what is whole below is on the stack when it is closed, whoever ends the start
        workspace = await whole(asyncio.to_thread(lambda: stack.enter_context(Workspace(root))))
        memory = settings.remembered_in
        with in_words(f"{flag}: where tools worked cannot be kept in {memory}", STATE_ADVICE):
            await asyncio.to_thread(remember, workspace.root, memory)
        with in_words(
            f"{flag}: no temporary files can be made", "name a folder for them in TMPDIR"
        ):
            kept = await whole(asyncio.to_thread(lambda: stack.enter_context(KeptOutputs())))
            home = await whole(asyncio.to_thread(scratch, stack))
            proxy = await running.enter_async_context(_proxy(settings, stack))
        bounds = Bounds(
            workspace.root,
            home,
            kept.folder.root,
            readable=await asyncio.to_thread(readable, settings.tools.readable),
            network=settings.allow_network,
            proxy=proxy,
        )
        sandbox = await _sandbox(settings, bounds)
        say(f"  workspace  {workspace.root} (sandbox: {sandbox.name}, network: {bounds.network})")
        for note in sandbox.notes:
            logger.warning("%s", note)
        limits = settings.tools
        registry = Registry(
            workspace,
            kept,
            stack.enter_context(Threads(MOST_CALLS)),
            sandbox=sandbox,
            fetcher=Fetcher(permits=_is_fetched) if settings.allow_network == "all" else None,
            times=Times(limits.usual_s, limits.packages_s, limits.longest_s),
            output_chars=limits.output_chars,
        )
        yield await running.enter_async_context(contextlib.aclosing(registry))
    except ToolError as error:
        raise ConfigurationError(f"{flag}: {error}") from error
    finally:
        await running.aclose()


def _is_fetched(address: str) -> bool:
    """Whether it is on the internet and not in the house, where IPv6 is public too."""
    from tools.addresses import is_near, is_public

    return is_public(address) and not is_near(address, own_addresses())


@contextlib.asynccontextmanager
async def _proxy(settings: Settings, stack: contextlib.ExitStack) -> AsyncGenerator[Path | None]:
    """The socket of the proxy for package managers, where the owner has granted that; its folder
    goes with the stack.
    """
    from tools.proxy import AllowList, PackageProxy

    if settings.allow_network != "packages":
        yield None
        return
    if not settings.sandbox:
        raise ConfigurationError("--allow-network packages needs a sandbox: no --no-sandbox")
    if not settings.tools.package_hosts:
        raise ConfigurationError(
            "--allow-network packages: name the hosts that package managers may reach in "
            'swarm.toml: [tools] package_hosts = ["HOST", "HOST:PORT"]'
        )
    allowed = AllowList.of(settings.tools.package_hosts)
    folder = await whole(asyncio.to_thread(temporary, stack, "proxy"))
    async with PackageProxy(folder / "socket", allowed) as proxy:
        yield proxy.path


async def _sandbox(settings: Settings, bounds: "Bounds") -> "Sandbox":
    from tools.sandbox import choose_sandbox, unconfined

    if settings.sandbox:
        return await choose_sandbox(bounds)
    return await asyncio.to_thread(unconfined, bounds)


def _token(settings: Settings, where: Listening) -> str | None:
    """The owner's, else one that is made and kept where others may reach the door.

    Raises ConfigurationError for a file that cannot be used.
    """
    if settings.tool_token is not None:
        return settings.tool_token.get_secret_value()
    if not where.beyond:
        return None
    file = settings.state / TOKEN_FILE
    if (kept := read_key(file)) is not None:
        return kept
    made = secrets.token_urlsafe(32)
    write_key(file, made)
    logger.info("a token for the tool server was made; it is in %s", file)
    return made
