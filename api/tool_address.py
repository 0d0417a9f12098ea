"""What `--tool-host` names: where tools are served here, or where another machine serves them."""

import contextlib
from urllib.parse import urlsplit

from api.listening import (
    LOOPBACK,
    Listening,
    house_addresses,
    is_loopback,
    lan_address,
    listening,
    own_addresses,
)
from flags import LAN
from swarm.errors import ConfigurationError

_FLAG = "--tool-host"


def parse_tool_host(wanted: str, port: int) -> tuple[str, int]:
    """Host and port of `http://HOST:PORT` or less of it; `port` where it names none.

    Raises ConfigurationError.
    """
    if wanted == LAN:
        return lan_address(_FLAG), port
    with contextlib.suppress(ValueError):
        url = urlsplit(wanted if "//" in wanted else f"http://{wanted}")
        plain = not (url.path.strip("/") or url.query or url.fragment or url.username)
        if url.scheme == "http" and url.hostname and plain:
            return url.hostname, url.port or port
    raise ConfigurationError(f"--tool-host {wanted}: it should be http://HOST:{port}")


def tool_listening(wanted: str | None, port: int) -> Listening:
    """Where the tools are served and what they may be called: loopback, and the address that
    `--tool-host` names. `port`: of `--tool-port`.

    Raises ConfigurationError where the address is none of this machine's, or the port another one.
    """
    if wanted is None:
        return listening(LOOPBACK)
    host, named = parse_tool_host(wanted, port)
    if named != port:
        raise ConfigurationError(
            f"--tool-host {wanted}: the tool server here listens on {port}; "
            f"name the port with --tool-port {named}"
        )
    if is_loopback(host):
        return listening(LOOPBACK if host == "localhost" else host)
    if host not in (own := house_addresses()):
        raise ConfigurationError(
            f"--tool-host {wanted}: not an address of this machine, which has "
            f"{', '.join(own) or 'none'}; to use another machine's tools, leave out --tool-server"
        )
    return listening(host)


def still_listening(wanted: str, before: Listening) -> Listening:
    """Where the tools are served now: as before while this machine has that address, else where it
    has moved, unless the owner has named an address.

    Raises ConfigurationError where the door stays at an address that is gone.
    """
    if before.address in own_addresses():
        return before
    if wanted == LAN:
        return listening(lan_address(_FLAG))
    raise ConfigurationError(
        f"--tool-host {wanted}: this machine has that address no longer, so no other one reaches "
        "the tools; leave out the address, and they go where the machine goes"
    )
