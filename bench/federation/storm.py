"""What 5,000 announcements of nodes that are not there cost a node, at 500 a second.

They name the node's own federation and addresses of its LAN, so that it has to ask. Two whole
nodes with the bundled model, the storm from a third host; its processor time and the size of its
table, and whether the two still have each other and answer together.
"""

import json
import socket
import sys
import time

from zeroconf import Zeroconf
from zeroconf.asyncio import AsyncServiceInfo

from bench.federation.house import cpu_s, house, peers, ready, start_all, whole
from bench.figures import parser, verdict
from federation.advertisement import encode_txt, instance_name
from federation.mdns import SERVICE
from federation.peers import TABLE_SIZE
from tests.e2e.hosts import Host
from tests.federation.sightings import advertisement, node_id

GROUP = ("224.0.0.251", 5353)
STORM, PER_S, AT_ONCE = 5000, 500, 10
CPU_BAR = 0.5


def main() -> int:
    parser(__doc__, rounds=1).parse_args()
    with house(3) as lan:
        node, other, stranger = lan.hosts
        start_all([node, other])
        storm = packets(federation_of(node))
        time.sleep(5)
        before_s, began = cpu_s(node), time.monotonic()
        sizes = blow(stranger, storm, watching=node)
        during_s, seconds = cpu_s(node) - before_s, time.monotonic() - began
        held = other.name in ready(node) and node.name in ready(other)
        time.sleep(10)
        after = (cpu_s(node) - before_s - during_s) / 10
        whole_after = whole([node, other])
        answered = vote(node)
    print(f"{STORM} in {seconds:.1f} s; {after:.1%} of a core in the 10 s after")
    print(f"the real peer was ready at the end of it: {held}, and 10 s later: {whole_after}")
    print(f"the two answered together: {answered}")
    met = verdict("processor of the node, share of a core", during_s / seconds, CPU_BAR)
    met &= verdict("peers in its table at most", max(sizes), TABLE_SIZE)
    return not (met and held and whole_after and answered)


def packets(federation: str) -> list[bytes]:
    """What that many nodes of this federation would say, one packet each."""
    speaker = Zeroconf(interfaces=["127.0.0.1"])
    try:
        return [packet(speaker, number, federation) for number in range(STORM)]
    finally:
        speaker.close()


def packet(speaker: Zeroconf, number: int, federation: str) -> bytes:
    name = instance_name("storm", node_id(number))
    info = AsyncServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=17617,
        properties=encode_txt(advertisement(number, federation=federation)),
        server=f"{name}.local.",
        parsed_addresses=[f"10.77.1.{100 + number % 100}"],
    )
    (data,) = speaker.generate_service_broadcast(info, None).packets()
    return data


def blow(stranger: Host, storm: list[bytes], *, watching: Host) -> list[int]:
    """Send all; the sizes of the node's table meanwhile, and right after."""
    sizes: list[int] = []
    began = time.monotonic()
    with stranger.socket(kind=socket.SOCK_DGRAM) as sender:
        here = socket.inet_aton(stranger.ipv4)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, here)
        for at in range(0, STORM, AT_ONCE):
            time.sleep(max(0.0, began + at / PER_S - time.monotonic()))
            for data in storm[at : at + AT_ONCE]:
                sender.sendto(data, GROUP)
            if at % PER_S == 0:
                sizes.append(len(peers(watching)))
    return [*sizes, len(peers(watching))]


def federation_of(host: Host) -> str:
    return json.loads(host.get("/v1/federation/diagnostics")[1])["federation"]["id"]


def vote(host: Host) -> bool:
    """Whether a question is answered by the workers of both."""
    messages = [{"role": "user", "content": "What is 4 + 8?"}]
    body = {"model": "swarm", "messages": messages, "max_tokens": 64, "swarm": {"decide": "all"}}
    status, text = host.post("/v1/chat/completions", body)
    workers = json.loads(text)["usage"]["swarm"]["workers"] if status == 200 else []
    return any("/" in worker["voter"] and worker["state"] == "valid" for worker in workers)


if __name__ == "__main__":
    sys.exit(main())
