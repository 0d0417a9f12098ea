"""What a person says to the node that runs on this machine, over its loopback door."""

import io
import platform
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import segno

from api.clients.setup import set_up_opencode
from api.output import can_show
from api.own_node import Node, NoNodeError, SilentNodeError, call
from federation.firewall import firewall_lines
from federation.lines import unique
from federation.pin import split_pin
from federation.store import Store
from federation.trust import encode_code
from federation.wishes import PEER_PORT
from private_files import STATE_ADVICE
from settings import Settings
from swarm.errors import ConfigurationError, in_words


def answered(settings: Settings, environ: Mapping[str, str]) -> str | None:
    """What a command line says to the node that runs here, answered; None if it starts one."""
    if settings.opencode is not None:
        return set_up_opencode(settings, environ, platform.system())
    node = Node(settings)
    match settings.command:
        case ("approve", *words):
            return approve(node, *split_pin(words))
        case ("remove", peer):
            return remove(node, peer)
        case ("remove", *_):
            raise ConfigurationError(
                "which peer? `python main.py remove PEER`, by its name or node id"
            )
        case _:
            pass
    if settings.diagnose:
        return "\n".join(diagnosis(call(node, "diagnostics"), platform.system()))
    if settings.new_code:
        told = new_code(node)
        return f"{told}\n{code(settings.state)}" if settings.show_code else told
    if settings.leave:
        return leave(node, settings.state)
    return code(settings.state) if settings.show_code else None


def approve(node: Node, digits: str, machine: str = "") -> str:
    """Make the machine that shows this PIN a member; one line for the person."""
    told = call(node, "approve", {"pin": digits, "machine": machine})
    return f"{told['joined']} is a member now; this machine and it answer as one"


def remove(node: Node, peer: str) -> str:
    """Take a peer out of the federation."""
    told = call(node, "remove", {"peer": peer})
    return (
        f"{told['removed']} is no member any more; the others have a new code. "
        f"Members that were off show a PIN when they come back{_missed(told)}"
    )


def new_code(node: Node) -> str:
    """Make a new code for the members that run."""
    told = call(node, "new-code", {})
    return (
        "a new code; the members that run have it, `python main.py --show-code` prints it"
        f"{_missed(told)}"
    )


def _missed(told: Any) -> str:
    """Whom the new code did not reach, and what comes of that."""
    names = ", ".join(told.get("missed") or ())
    after = "lives by the old code until a member can tell it so, and then shows a PIN"
    return f".\nNot reached: {names}; such a machine {after}" if names else ""


def leave(node: Node, folder: Path) -> str:
    """Leave the federation, through the node if one runs here, else in what it remembers.

    Raises SilentNodeError where one may run: what is forgotten under it keeps it a member.
    """
    try:
        call(node, "leave", {})
    except NoNodeError:
        with _remembered(folder) as store:
            store.forget()
        return (
            f"no node answers at {node.base_url}; what this machine remembers of its federation "
            "is forgotten. A node that runs at another address or port is still a member: "
            "--leave --host ADDRESS --port N"
        )
    except SilentNodeError as error:
        raise SilentNodeError(f"{error}; nothing was forgotten") from None
    return "this machine has left its federation"


def code(folder: Path) -> str:
    """The join code and its picture, where one can be shown, from what the node of this folder
    remembers.
    """
    with _remembered(folder) as store:
        membership = store.load()
    if membership is None:
        raise ConfigurationError("this machine is in no federation yet: start it once")
    told = encode_code(membership.secret)
    picture = io.StringIO()
    segno.make(told).terminal(picture, compact=True)
    shown = f"{picture.getvalue()}\n" if can_show(picture.getvalue()) else ""
    return f"{shown}{told}\npython main.py --auto --join {told}"


@contextmanager
def _remembered(folder: Path) -> Generator[Store]:
    """What the node of this folder remembers. Raises ConfigurationError."""
    with in_words(f"what this machine remembers in {folder} cannot be used", STATE_ADVICE):
        yield Store(folder)


def diagnosis(told: Any, system: str) -> list[str]:
    """The diagnostics of a node as lines for a person, each trouble with its advice.

    `system` is the operating system, which decides the command for its firewall.
    """
    coming = _coming(told.get("successor"))
    if told.get("node") is None:
        return [*coming, f"federation: {told.get('why', 'off')}"]
    node, own, discovery = told["node"], told["federation"], told["discovery"]
    named = f"{', '.join(node['addresses'])} on {', '.join(node['interfaces'])}"
    lines = [
        f"node        {node['name']} ({node['id'][:8]}), version {node['version']}",
        f"addresses   {named if node['addresses'] else 'none on a LAN'}",
        *coming,
        f"federation  {own['id']}: {_standing(own)}",
        *(f"trouble     {line}" for line in _troubles(own, discovery)),
        *(f"            {line}" for line in _firewall(own, discovery, system)),
    ]
    names = Counter(peer["name"] for peer in told["peers"] if _is_proved(peer))
    for peer in told["peers"]:
        name = peer["name"]
        if _is_proved(peer):
            name = unique(name, names, peer["node"])
        failing = peer["failing"]
        why = f": {failing['step']} fails: {failing['reason']}" if failing else ""
        lines.append(f"peer        {name} is {peer['state']}{why}")
        if peer["left_out_s"]:
            lines.append(
                f"            it failed the last questions and is not asked for "
                f"{peer['left_out_s']:.0f} s: see its own diagnosis"
            )
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
    if not told["peers"] and not any(line.startswith("seen") for line in lines):
        lines.append("peers       none was seen yet")
    return lines


def _is_proved(peer: Any) -> bool:
    """Whether it ever proved who it is: only such peers are told apart, as verdicts do."""
    return peer["heard_seconds_ago"] is not None


def _coming(successor: Any) -> list[str]:
    """The model that is to take the bundled one's place, until it has."""
    if successor is None or successor["stage"] == "serving":
        return []
    if successor["why"]:
        return [f"model       {successor['model']} is not served: {successor['why']}"]
    percent = 100 * successor["bytes"] // max(successor["of_bytes"], 1)
    return [f"coming      {successor['model']}: {successor['stage']}, {percent} % are here"]


def _standing(own: Any) -> str:
    """How others join or reach this node; a port is 0 while its door is closed."""
    if own["alone"]:
        port = own["pairing_port"]
        how = f"can be approved (pairing on port {port})"
        return f"alone; it {how if port else 'cannot be approved yet: no pairing door is open'}"
    if not own["peer_port"]:
        return "peers cannot connect yet: no peer door is open"
    if own["open"]:
        return "open: everybody on the network takes part"
    return f"peers connect to port {own['peer_port']}"


def _troubles(own: Any, discovery: Any) -> list[str]:
    troubles: list[str] = [own["trouble"]] if own["trouble"] else []
    if discovery.get("last_error"):
        troubles.append(str(discovery["last_error"]))
    if _unheard(discovery, "heard_self_seconds_ago"):
        troubles.append(
            "this node does not hear its own announcement: multicast is blocked on this machine; "
            "let UDP port 5353 through its firewall"
        )
    elif _unheard(discovery, "heard_others_seconds_ago"):
        troubles.append(
            "no other machine's announcement was heard: the router or a firewall may keep "
            'multicast back ("client isolation"); name peers with --peer HOST'
        )
    if discovery.get("flooded"):
        troubles.append("more is announced on this network than can be read")
    return troubles


def _firewall(own: Any, discovery: Any, system: str) -> tuple[str, ...]:
    """The commands for a firewall here, where one may be what keeps this node from hearing."""
    if not (
        _unheard(discovery, "heard_self_seconds_ago")
        or _unheard(discovery, "heard_others_seconds_ago")
    ):
        return ()
    return firewall_lines(system, own["peer_port"] or own["pairing_port"] or PEER_PORT)


def _unheard(discovery: Any, whom: str) -> bool:
    """Whether no announcement has come in since the node listens for them."""
    return bool(discovery.get("is_open")) and discovery.get(whom) is None
