"""A node asked by a command: this machine's over its loopback door, or another."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar
from urllib.request import HTTPDefaultErrorHandler, HTTPErrorProcessor, HTTPHandler

from api.keyring import kept_key_file, own_key, read_key
from api.listening import LOOPBACK, base_url, is_here, is_loopback, own_addresses
from printable import printable
from settings import Settings
from swarm.connecting import system_words
from swarm.errors import ConfigurationError, SwarmError

_T = TypeVar("_T")

_ANOTHER = "name another one with --host ADDRESS and --port N"
"""What a person can do where no node answers."""


@dataclass(frozen=True, slots=True)
class Node:
    """The node that the settings of this machine are for. It may be silent for `patience_s`."""

    settings: Settings
    patience_s: float = 30.0

    @property
    def port(self) -> int:
        """Of its client door."""
        return self.settings.port

    @property
    def address(self) -> str:
        """Of its client door, one that only this machine has: it listens there too."""
        host = self.settings.host
        return host if is_loopback(host) else LOOPBACK

    @property
    def base_url(self) -> str:
        """Of its client door."""
        return base_url(self.address, self.port)


class NoNodeError(ConfigurationError):
    """Nobody answers where a node is asked."""


class SilentNodeError(ConfigurationError):
    """Something listens there and gives no answer: it may be a node that runs."""


class NodeRefusedError(SwarmError):
    """What a node says of a request that it refuses."""


class KeyRefusedError(NodeRefusedError):
    """The node wants a key, or another one."""


def known_keys(settings: Settings, address: str) -> list[str | None]:
    """What may be shown to the node at an address, the likeliest first; never this machine's own
    key to another one.
    """
    here = is_here(address)
    if settings.key is not None or (here and settings.keys):
        return [own_key(settings)]
    # A node is one under all addresses of its machine.
    addresses = (address, *own_addresses()) if here else (address,)
    kept = [read_key(kept_key_file(settings.state, a, settings.port)) for a in addresses]
    own = own_key(settings) if here else None
    return [key for key in dict.fromkeys((*kept, own)) if key] or [None]


def with_a_key(keys: Sequence[str | None], ask: Callable[[str | None], _T]) -> _T:
    """What is answered to the first of the keys that the node takes: a kept one may be outdated.

    Raises KeyRefusedError where it takes none.
    """
    *others, last = keys
    for key in others:
        try:
            return ask(key)
        except KeyRefusedError:
            continue
    return ask(last)


def key_header(key: str | None) -> dict[str, str]:
    """What shows the key, if there is one."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def call(node: Node, path: str, body: object | None = None) -> Any:
    """POST a body to /v1/federation/..., or GET without one. Raises SwarmError in its words."""
    keys = known_keys(node.settings, node.address)
    return with_a_key(keys, lambda key: _call(node, path, body, key))


def _call(node: Node, path: str, body: object | None, key: str | None) -> Any:
    request = urllib.request.Request(  # noqa: S310 - http
        f"{node.base_url}/federation/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **key_header(key)},
    )
    return told_by(request, node.patience_s, where=f"at {node.base_url}")


def told_by(request: urllib.request.Request, timeout_s: float, *, where: str) -> dict[str, Any]:
    """The JSON object that a node answers. Raises NodeRefusedError, NoNodeError, or
    ConfigurationError where what answers is not a node.

    `where` tells people what was asked.
    """
    try:
        with answer_to(request, timeout_s) as answer:
            told: Any = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            message = _message_of(error)
        if message is None:
            raise no_node(where, f"HTTP {error.code}") from None
        if error.code == 401:
            raise KeyRefusedError(f"{message}; name it with --key KEY or in SWARM_KEY") from None
        raise NodeRefusedError(message) from None
    except OSError as error:
        raise _unanswered(where, error) from None
    except (HTTPException, ValueError) as error:
        raise no_node(where, repr(error)) from None
    if not isinstance(told, dict):
        raise no_node(where, "its answer is no JSON object")
    return told  # pyright: ignore[reportUnknownVariableType] - the keys of JSON are text


def no_node(where: str, why: str) -> ConfigurationError:
    """What to raise where another program answers; `where` is that of `told_by`."""
    return ConfigurationError(f"what answers {where} is no node of Local Swarm ({why}); {_ANOTHER}")


def _unanswered(where: str, error: OSError) -> ConfigurationError:
    """What to raise where nothing listens, or what listens is too busy to answer: that does not
    refuse.
    """
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    why = system_words(reason if isinstance(reason, Exception) else error)
    if isinstance(reason, ConnectionRefusedError):
        return NoNodeError(
            f"no node answers {where} ({why}); start it with `python main.py --auto`, or {_ANOTHER}"
        )
    return SilentNodeError(
        f"the node {where} does not answer ({why}); try again, or end it and start it anew"
    )


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
        return printable(str(json.loads(error.read(1 << 16))["error"]["message"]))
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        return None
