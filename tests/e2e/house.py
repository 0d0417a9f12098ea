"""Federations of real nodes on the hosts of a LAN: joined, asked, and looked at from outside."""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from federation.trust import encode_code, new_secret
from tests.e2e.hosts import Host, HostedNode, Network, network
from tests.e2e.standstill import undisturbed

PEER_PORT = 17617
SUM = "What is 4 + 7?"
READY_S = 90
"""On a quiet machine it takes about a second."""


def one_federation(hosts: Sequence[Host], *flags: str) -> None:
    """A node on each host, joined by a code; returns when each takes all others for ready."""
    code = encode_code(new_secret())
    for host in hosts:
        start_member(host, code, *flags)
    wait_together(hosts)


def start_member(host: Host, code: str, *flags: str) -> HostedNode:
    """A node that has the code; it may still be loading when this returns."""
    return host.start_node("--join", code, *flags, wait=False)


@contextlib.contextmanager
def house(count: int, folder: Path, *flags: str) -> Iterator[Network]:
    """This many hosts with nodes that are one federation."""
    with network(count, folder) as lan:
        one_federation(lan.hosts, *flags)
        yield lan


def wait_together(hosts: Sequence[Host]) -> None:
    """Until these are one federation, every model loaded, and nobody else is in it."""
    for host in hosts:
        host.node.wait_ready()
        others = {other.name for other in hosts if other is not host}

        def together(host: Host = host, others: set[str] = others) -> bool:
            return taking_part(host) == others

        host.node.wait_until(together, READY_S)


def diagnostics(host: Host) -> Any:
    """What the node on the host says of itself and the others; {} where none listens."""
    return told(host, "diagnostics") or {}


def peers(host: Host) -> dict[str, Any]:
    """The peers in the host's table by name, all that ever proved themselves or are tried."""
    return {peer["name"]: peer for peer in (told(host, "peers") or {"data": ()})["data"]}


def told(host: Host, what: str) -> Any:
    """What the node tells its owner; None where none listens."""
    status, text = host.get(f"/v1/federation/{what}")
    assert status in (0, 200), f"{status} {text}"
    return json.loads(text) if status else None


def ready(host: Host) -> set[str]:
    """The names of the peers that take part now."""
    return {name for name, peer in peers(host).items() if peer["state"] == "ready"}


def taking_part(host: Host) -> set[str]:
    """Those of them that are asked: they told of a model, and did not fail time and again."""
    known = peers(host)
    able = {
        name
        for name, peer in known.items()
        if peer["models"] and not peer["left_out_s"] and not peer["missed_heartbeats"]
    }
    return able & ready(host)


def approve(member: Host, joining: Host) -> None:
    """Type on a member what makes the other machine one, by the PIN that it shows."""
    done = member.main("approve", *pin_of(joining).split(), joining.name)
    assert done.returncode == 0, done.stderr


def pin_of(host: Host) -> str:
    """The PIN that this machine shows last; waits until there is one."""
    found: list[str] = []

    def shown() -> bool:
        found.extend(re.findall(r"python main\.py approve (\d{3} \d{3})", host.node.said()))
        return bool(found)

    host.node.wait_until(shown, READY_S)
    return found[-1]


def body(text: str, *, model: str = "swarm", **swarm: Any) -> dict[str, Any]:
    """A chat request in which all that vote are counted."""
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "swarm": {"decide": "all", **swarm}}


def ask(host: Host, text: str = SUM, **wishes: Any) -> Any:
    """The answer to one question, which must come."""
    return answered(host, body(text, **wishes))


def answered(host: Host, request: Mapping[str, Any], votes: Mapping[str, int] | None = None) -> Any:
    """The answer to a chat request; to the first one that has these votes, if the machine stands
    still meanwhile.
    """

    def post() -> Any:
        status, said = host.post("/v1/chat/completions", request)
        assert status == 200, f"{status} {said}\n{host.node.said()[-3000:]}"
        return json.loads(said)

    return undisturbed(post, lambda answer: voters(answer) == votes)


def text_of(answer: Any) -> str:
    return answer["choices"][0]["message"]["content"]


def voters(answer: Any, *states: str) -> Counter[str]:
    """How many workers of each node are in one of these states; the node asked is `here`."""
    counted: Counter[str] = Counter()
    for worker in answer["usage"]["swarm"]["workers"]:
        if worker["state"] in (states or ("valid",)):
            counted[worker["voter"].rpartition("/")[0] or "here"] += 1
    return counted


@contextlib.contextmanager
def meanwhile(work: Callable[[], Any]) -> Iterator[Future[Any]]:
    """Work in a thread of its own while the block runs; it ends before the block is left."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(work)


def busy(host: Host) -> bool:
    """Whether the node has a question of anybody's in hand."""
    return diagnostics(host)["queue"]["requests"] > 0


def secrets_of(host: Host) -> list[str]:
    """What must never be seen outside of the host's folder: secret, code, key."""
    stored = json.loads((host.state / "federation.json").read_text())["secret"]
    key = (host.state / "key.pem").read_text().splitlines()[1]
    code = encode_code(bytes.fromhex(stored))
    return [stored, code, code.replace("-", ""), key]
