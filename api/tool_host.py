"""`--tool-host` without `--tool-server`: the tools of another machine, and the way to its token."""

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from api.listening import door_url, is_loopback
from api.tool_address import parse_tool_host
from flags import LAN
from settings import Settings
from swarm.errors import PeerError
from tools.errors import ToolFailed
from tools.remote import RemoteTools, ServerAccess

if TYPE_CHECKING:
    from federation.federation import Federation


async def remote_tools(
    settings: Settings, federation: "Federation | None", say: Callable[[str], None]
) -> tuple[RemoteTools, str]:
    """The tools at `--tool-host`, not yet asked for, and their URL. Raises ConfigurationError.

    The token is the owner's where the settings have one, none on loopback, else the one that a
    member of the federation tells for its own server.
    """
    wanted = settings.tool_host or LAN
    host, port = await asyncio.to_thread(parse_tool_host, wanted, settings.tool_port)
    told = door_url(host, port)
    say(f"  tools      those of {told}")

    async def find() -> ServerAccess:
        address = await _address(host, port)
        url = door_url(address, port)
        if settings.tool_token is not None:
            return ServerAccess(url, settings.tool_token.get_secret_value())
        if is_loopback(address):
            return ServerAccess(url)
        if federation is None:
            raise ToolFailed(f"the tool server {url} needs a token: set SWARM_TOOL_TOKEN")
        try:
            return ServerAccess(url, await federation.tool_keys.of(address, port))
        except PeerError as error:
            raise ToolFailed(f"{error}; is it a member, started with --tool-host?") from error

    return RemoteTools(find), told


async def _address(host: str, port: int) -> str:
    """The first address of a name: the server may not know itself by that name, and a member
    tells its token for the address. Raises ToolFailed.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ToolFailed(f"--tool-host: there is no address of {host}: {error}") from error
    return str(found[0][4][0])
