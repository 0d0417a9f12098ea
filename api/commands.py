"""What a person says to the node that runs on this machine, over its loopback door."""

import io
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import segno

from federation.store import Store
from federation.trust import encode_code
from settings import Settings
from swarm.errors import ConfigurationError, SwarmError

_PATIENCE_S = 30.0


class NoNodeError(ConfigurationError):
    """No node runs here under that port."""


def answered(settings: Settings) -> str | None:
    """What a command line says to the node that runs here, answered; None if it starts one."""
    match settings.command:
        case ("approve", *digits):
            return approve(settings.port, " ".join(digits))
        case ("remove", peer):
            return remove(settings.port, peer)
        case ("remove", *_):
            raise ConfigurationError("which peer? `main.py remove PEER`, by its name or node id")
        case _:
            pass
    if settings.diagnose:
        return "\n".join(diagnosis(call(settings.port, "diagnostics")))
    if settings.new_code:
        call(settings.port, "new-code", {})
        return "a new code; the members that run have it, `main.py --show-code` prints it"
    if settings.leave:
        return leave(settings.port, settings.state)
    return code(settings.state) if settings.show_code else None


def approve(port: int, digits: str) -> str:
    """Make the machine that shows this PIN a member; one line for the person."""
    told = call(port, "approve", {"pin": digits})
    return f"{told['joined']} is a member now; this machine and it answer as one"


def remove(port: int, peer: str) -> str:
    """Take a peer out of the federation."""
    told = call(port, "remove", {"peer": peer})
    return (
        f"{told['removed']} is no member any more; the others have a new code. "
        "Members that were off show a PIN when they come back"
    )


def leave(port: int, folder: Path) -> str:
    """Leave the federation, through the node if one runs here, else in what it remembers."""
    try:
        call(port, "leave", {})
    except NoNodeError:
        Store(folder).forget()
    return "this machine has left its federation"


def code(folder: Path) -> str:
    """The join code and its picture, from what the node of this folder remembers."""
    membership = Store(folder).load()
    if membership is None:
        raise ConfigurationError("this machine is in no federation yet: start it once")
    told = encode_code(membership.secret)
    picture = io.StringIO()
    segno.make(told).terminal(picture, compact=True)
    return f"{picture.getvalue()}\n{told}\nmain.py --auto --join {told}"


def call(port: int, path: str, body: object | None = None) -> Any:
    """POST a body to /v1/federation/..., or GET without one. Raises SwarmError in its words."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/federation/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # noqa: S310 - http, above
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise SwarmError(_said(error)) from None
    except OSError as error:
        raise NoNodeError(
            f"no node answers on port {port} of this machine ({error}); start it with "
            "`main.py --auto`, or name its port with --port N"
        ) from None


def _said(error: urllib.error.HTTPError) -> str:
    raw = error.read(1 << 16)
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return f"the node answered {error.code} {error.reason}"


def diagnosis(told: Any) -> list[str]:
    """The diagnostics of a node as lines for a person, each trouble with its advice."""
    if told.get("node") is None:
        return [f"federation: {told.get('why', 'off')}"]
    node, own, discovery = told["node"], told["federation"], told["discovery"]
    addresses = ", ".join(node["addresses"]) or "none"
    lines = [
        f"node        {node['name']} ({node['id'][:8]}), version {node['version']}",
        f"addresses   {addresses} on {', '.join(node['interfaces']) or 'no interface'}",
        f"federation  {own['id']}: {_standing(own)}",
        *(f"trouble     {line}" for line in _troubles(own, discovery)),
    ]
    for peer in told["peers"]:
        failing = peer["failing"]
        why = f": {failing['step']} fails: {failing['reason']}" if failing else ""
        lines.append(f"peer        {peer['name']} is {peer['state']}{why}")
        offset = peer["clock_offset_s"]
        if offset is not None and abs(offset) > 60:
            lines.append(
                f"            its clock is {offset:.0f} s off; nothing breaks, but mend it"
            )
    lines += [
        f"seen        {line['name']}: {line['outcome']}; {line['reason']}"
        for line in discovery["sightings"]
        if line["outcome"] not in ("member", "this node")
    ]
    if len(lines) == 3:
        lines.append("peers       none was seen yet")
    return lines


def _standing(own: Any) -> str:
    if own["open"]:
        return "open: everybody on the network takes part"
    if own["alone"]:
        return f"alone; it can be approved (pairing on port {own['pairing_port']})"
    return f"peers connect to port {own['peer_port']}"


def _troubles(own: Any, discovery: Any) -> list[str]:
    troubles: list[str] = [own["trouble"]] if own["trouble"] else []
    if discovery.get("last_error"):
        troubles.append(str(discovery["last_error"]))
    if discovery.get("is_open") and discovery.get("heard_self_s") is None:
        troubles.append(
            "this node does not hear its own announcement: multicast is blocked on this machine; "
            "let UDP port 5353 through its firewall"
        )
    elif discovery.get("is_open") and discovery.get("heard_others_s") is None:
        troubles.append(
            "no other machine's announcement was heard: the router or a firewall may keep "
            'multicast back ("client isolation"); name peers with --peer HOST'
        )
    if discovery.get("flooded"):
        troubles.append("more is announced on this network than can be read")
    return troubles
