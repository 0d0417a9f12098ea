"""What `--tool-host` names: where tools are served here, or where another machine serves them."""

import contextlib
from urllib.parse import urlsplit

from api.listening import Listening, is_loopback, listening, own_addresses
from federation.interfaces import lan_addresses, read_interfaces
from flags import LAN
from swarm.errors import ConfigurationError

_LOOPBACK = "127.0.0.1"


def parse_tool_host(wanted: str, port: int) -> tuple[str, int]:
    """Host and port of `http://HOST:PORT` or less of it; `port` where it names none.

    Raises ConfigurationError.
    """
    if wanted == LAN:
        return own_lan_address(), port
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
        return listening(_LOOPBACK)
    host, named = parse_tool_host(wanted, port)
    if named != port:
        raise ConfigurationError(
            f"--tool-host {wanted}: the tool server here listens on {port}; "
            f"name the port with --tool-port {named}"
        )
    if is_loopback(host):
        return listening(_LOOPBACK if host == "localhost" else host)
    own = [each.address for each in lan_addresses(read_interfaces())]
    if host not in own:
        raise ConfigurationError(
            f"--tool-host {wanted}: not an address of this machine, which has {', '.join(own)}; "
            "to use another machine's tools, leave out --tool-server"
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
        return listening(own_lan_address())
    raise ConfigurationError(
        f"--tool-host {wanted}: this machine has that address no longer, so no other one reaches "
        "the tools; leave out the address, and they go where the machine goes"
    )


def own_lan_address() -> str:
    """This machine's address on the LAN. Raises ConfigurationError."""
    own = [each.address for each in lan_addresses(read_interfaces())]
    if not own:
        raise ConfigurationError("--tool-host: this machine has no address on a LAN")
    return own[0]
