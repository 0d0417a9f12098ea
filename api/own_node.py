"""The node that runs on this machine, asked over its loopback door by a command."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.request import HTTPDefaultErrorHandler, HTTPErrorProcessor, HTTPHandler

from api.keyring import own_key
from api.listening import LOOPBACK, base_url, is_loopback
from settings import Settings
from swarm.errors import ConfigurationError, SwarmError

_PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Node:
    """The node that the settings of this machine are for."""

    settings: Settings

    @property
    def port(self) -> int:
        """Of its client door."""
        return self.settings.port

    @property
    def base_url(self) -> str:
        """Of its client door, by an address that only this machine has: it listens there too."""
        host = self.settings.host
        return base_url(host if is_loopback(host) else LOOPBACK, self.port)

    def headers(self) -> dict[str, str]:
        """What shows the key, if there is one."""
        key = own_key(self.settings)
        return {} if key is None else {"Authorization": f"Bearer {key}"}


class NoNodeError(ConfigurationError):
    """No node runs here under that port."""


def call(node: Node, path: str, body: object | None = None) -> Any:
    """POST a body to /v1/federation/..., or GET without one. Raises SwarmError in its words."""
    request = urllib.request.Request(  # noqa: S310 - http
        f"{node.base_url}/federation/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **node.headers()},
    )
    try:
        with answer_to(request, _PATIENCE_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SwarmError(message_of(error)) from None
    except OSError as error:
        raise NoNodeError(
            f"no node answers on port {node.port} of this machine ({error}); start it with "
            "`python main.py --auto`, or name its port with --port N"
        ) from None


def answer_to(request: urllib.request.Request, timeout_s: float) -> HTTPResponse:
    """What a node answers by HTTP, to be closed.

    No proxy may read the key that is sent along, and no redirect take it elsewhere.
    """
    direct = urllib.request.OpenerDirector()
    for handler in (HTTPHandler(), HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        direct.add_handler(handler)
    answer: Any = direct.open(request, timeout=timeout_s)
    return answer


def message_of(error: urllib.error.HTTPError) -> str:
    """What a node says of an error."""
    raw = error.read(1 << 16)
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"the node answered {error.code} {error.reason}"
