"""The federation as clients see it, and what its owner may command: from this machine alone."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from api.context import FEDERATION, POOL, SUCCESSOR, VERDICTS
from api.errors import json_response, plain_error
from api.listening import is_loopback
from api.openai.body import body_of
from api.openai.models import speed_of
from federation.diagnostics import discovery_object, peer_object
from federation.federation import Federation
from federation.members import member_meant
from federation.pin import parse_pin
from swarm.errors import ConfigurationError, InvalidRequest
from swarm.successor import Successor

_OFF = "this node was started with --no-federation"


class PinBody(BaseModel):
    """What `main.py approve` sends: a PIN, and how the name of the machine that shows it begins."""

    model_config = ConfigDict(extra="forbid", strict=True)

    pin: str = Field(max_length=32)
    machine: str = Field(default="", max_length=128)


class PeerBody(BaseModel):
    """What `main.py remove` sends: a name, or the first digits of a node id."""

    model_config = ConfigDict(extra="forbid", strict=True)

    peer: str = Field(min_length=1, max_length=128)


def add_routes(app: web.Application) -> None:
    """The paths under /v1/federation."""
    app.router.add_get("/{_:/*}v1/federation/diagnostics{__:/*}", _diagnostics, name="diagnostics")
    app.router.add_get("/{_:/*}v1/federation/peers{__:/*}", _peers, name="peers")
    for path, command in _COMMANDS.items():
        app.router.add_post(f"/v1/federation/{path}", _from_here(command), name=path)


async def _peers(request: web.Request) -> web.StreamResponse:
    federation = request.app[FEDERATION]
    peers = [] if federation is None else _peer_objects(federation)
    return json_response({"object": "list", "data": peers})


async def _diagnostics(request: web.Request) -> web.StreamResponse:
    federation = request.app[FEDERATION]
    pool = request.app[POOL]
    body: dict[str, Any] = {
        "queue": {"requests": pool.in_flight},
        "models": [asdict(offer) | speed_of(pool, offer.model) for offer in pool.offers()],
        "verdicts": list(request.app[VERDICTS]),
        "successor": _successor_object(request.app[SUCCESSOR]),
    }
    if federation is None:
        return json_response({"federation": None, "why": _OFF, **body})
    return json_response({**_node_objects(federation), **body})


def _successor_object(successor: Successor | None) -> dict[str, Any] | None:
    """What takes the bundled model's place, how far it is, and why it is not coming."""
    if successor is None:
        return None
    return {
        "model": successor.wanted.id,
        "stage": successor.stage,
        "bytes": successor.moved_bytes,
        "of_bytes": successor.size_bytes,
        "why": successor.why,
    }


def _node_objects(federation: Federation) -> dict[str, Any]:
    now_s = time.monotonic()
    state = federation.discovery.state() if federation.discovery else None
    wishes = federation.wishes
    return {
        "node": {
            "id": federation.node_id,
            "name": wishes.name,
            "version": wishes.version,
            "addresses": [address.address for address in federation.addresses],
            "interfaces": sorted({address.interface for address in federation.addresses}),
            "hardware": wishes.hardware,
            "engine": wishes.engine,
        },
        "federation": {
            "id": federation.federation_id,
            "open": wishes.open,
            "alone": federation.alone,
            "peer_port": federation.port,
            "pairing_port": federation.pairing_port,
            "trouble": federation.trouble,
        },
        "discovery": discovery_object(state, federation.table.sightings(), now_s),
        "peers": _peer_objects(federation),
    }


def _peer_objects(federation: Federation) -> list[dict[str, Any]]:
    now_s, wall_s = time.monotonic(), time.time()
    return [peer_object(peer, now_s, wall_s) for peer in federation.table.peers()]


async def _approve(request: web.Request, federation: Federation) -> dict[str, Any]:
    body = await body_of(request, PinBody)
    try:
        digits = parse_pin(body.pin)
    except ConfigurationError as error:
        raise InvalidRequest(str(error), param="pin") from None
    return {"joined": await federation.approve(digits, body.machine)}


async def _remove(request: web.Request, federation: Federation) -> dict[str, Any]:
    body = await body_of(request, PeerBody)
    node_id, name = member_meant(body.peer, federation.table.peers(), federation.members)
    missed = await federation.renew(without=node_id)
    return {"removed": name, "missed": missed}


async def _new_code(_: web.Request, federation: Federation) -> dict[str, Any]:
    missed = await federation.renew()
    return {"federation": federation.federation_id, "missed": missed}


async def _leave(_: web.Request, federation: Federation) -> dict[str, Any]:
    await federation.leave()
    return {"federation": federation.federation_id}


Command = Callable[[web.Request, Federation], Awaitable[dict[str, Any]]]
_COMMANDS: dict[str, Command] = {
    "approve": _approve,
    "remove": _remove,
    "new-code": _new_code,
    "leave": _leave,
}


def _from_here(command: Command) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler of a command that only this machine may give."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if not is_loopback(request.remote or ""):
            message = "the federation is commanded from its own machine only"
            return json_response(plain_error(message, code="not_local"), status=403)
        federation = request.app[FEDERATION]
        if federation is None:
            raise InvalidRequest(_OFF)
        return json_response(await command(request, federation))

    return handler
