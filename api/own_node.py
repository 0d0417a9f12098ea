"""The node that runs on this machine, asked over its loopback door by a command."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
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
    """Nobody answers where a node is asked."""


class NodeRefusedError(SwarmError):
    """What a node says of a request that it refuses."""


def call(node: Node, path: str, body: object | None = None) -> Any:
    """POST a body to /v1/federation/..., or GET without one. Raises SwarmError in its words."""
    request = urllib.request.Request(  # noqa: S310 - http
        f"{node.base_url}/federation/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **node.headers()},
    )
    where = f"on port {node.port} of this machine"
    return told_by(request, _PATIENCE_S, where=where, instead="name the node's port with --port N")


def told_by(
    request: urllib.request.Request, timeout_s: float, *, where: str, instead: str
) -> dict[str, Any]:
    """The JSON object that a node answers. Raises NodeRefusedError, NoNodeError, or
    ConfigurationError where what answers is no node.

    `where` and `instead` are for people: what was asked, and how to ask another one.
    """
    try:
        with answer_to(request, timeout_s) as answer:
            told: Any = json.load(answer)
    except urllib.error.HTTPError as error:
        message = _message_of(error)
        if message is None:
            raise no_node(where, f"HTTP {error.code}", instead) from None
        if error.code == 401:
            message += "; name it with --key KEY or in SWARM_KEY"
        raise NodeRefusedError(message) from None
    except OSError as error:
        raise NoNodeError(
            f"no node answers {where} ({error}); start it with `python main.py --auto`, "
            f"or {instead}"
        ) from None
    except (HTTPException, ValueError) as error:
        raise no_node(where, repr(error), instead) from None
    if not isinstance(told, dict):
        raise no_node(where, "its answer is no JSON object", instead)
    return told  # pyright: ignore[reportUnknownVariableType] - the keys of JSON are text


def no_node(where: str, why: str, instead: str) -> ConfigurationError:
    """What to raise where another program answers; the arguments are those of `told_by`."""
    return ConfigurationError(f"what answers {where} is no node of Local Swarm ({why}); {instead}")


def answer_to(request: urllib.request.Request, timeout_s: float) -> HTTPResponse:
    """What a node answers by HTTP, to be closed.

    No proxy may read the key that is sent along, and no redirect take it elsewhere.
    """
    direct = urllib.request.OpenerDirector()
    for handler in (HTTPHandler(), HTTPErrorProcessor(), HTTPDefaultErrorHandler()):
        direct.add_handler(handler)
    answer: Any = direct.open(request, timeout=timeout_s)
    return answer


def _message_of(error: urllib.error.HTTPError) -> str | None:
    """What a node says of an error; None where it is not said as a node does."""
    try:
        return str(json.loads(error.read(1 << 16))["error"]["message"])
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return None
