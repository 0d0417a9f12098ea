"""What a vote of k nodes takes beside the slowest voter that it needed, k = 1 to 5.

Each node is a host of its own: endpoint, peer door, TLS, vote and heartbeats are the real ones,
only the engine is a clock (`bench.federation.steady`): the i-th node's three workers answer
after 0.5, 0.6, 0.7, ... seconds, all the same. The first, the fastest, is asked. So what a voter
needs by itself is known, and five nodes on few cores do not slow each other down as five models
would. To wait for all needs the slowest node; an exact decision needs the one whose votes make
the majority certain. The client's own connection is in the time of the vote.
"""

import json
import math
import statistics
import sys
import time
from pathlib import Path

from bench.federation.house import house, start, until, whole
from bench.federation.steady import WORKERS
from bench.figures import parser, spread
from tests.e2e.hosts import Host

NODES = 5
PROGRAM = Path(__file__).with_name("steady.py")
RATIO, MORE_S = 1.05, 0.02


def answer_s(node: int) -> float:
    """What the engine of this node takes, counted from 0."""
    return 0.5 + 0.1 * node


def needed(nodes: int, decide: str) -> int:
    """The slowest node without whose votes it is not decided; all workers say the same."""
    if decide == "all":
        return nodes - 1
    majority = math.floor(nodes * WORKERS / 2) + 1
    return math.ceil(majority / WORKERS) - 1


def vote_s(host: Host, nodes: int, decide: str) -> float:
    """Seconds of one vote as a client sees it. Raises RuntimeError if not all nodes took part."""
    messages = [{"role": "user", "content": "What is 4 + 8?"}]
    wishes = {"decide": decide}
    began = time.perf_counter()
    status, text = host.post(
        "/v1/chat/completions", {"model": "swarm", "messages": messages, "swarm": wishes}
    )
    seconds = time.perf_counter() - began
    verdict = json.loads(text)["usage"]["swarm"] if status == 200 else {}
    if verdict.get("asked") != nodes * WORKERS or verdict.get("abstained"):
        raise RuntimeError(f"{status}: {text}")
    return seconds


def measure(host: Host, nodes: int, decide: str, rounds: int) -> bool:
    """Print one line; whether the bar is met."""
    alone_s = answer_s(needed(nodes, decide))
    seconds = [vote_s(host, nodes, decide) for _ in range(rounds)]
    bar_s = RATIO * alone_s + MORE_S
    took_s = statistics.median(seconds)
    print(
        f"{nodes} nodes, {decide}: {spread(seconds)} s, slowest needed voter {alone_s:.2f} s, "
        f"ratio {took_s / alone_s:.3f}, {1000 * (took_s - alone_s):.0f} ms more "
        f"(bar {bar_s:.3f} s) {'ok' if took_s <= bar_s else 'MISSED'}",
        flush=True,
    )
    return took_s <= bar_s


def main() -> int:
    chosen = parser(__doc__, rounds=15).parse_args()
    met = True
    with house(NODES) as lan:
        for nodes, host in enumerate(lan.hosts, 1):
            environment = {"STEADY_S": str(answer_s(nodes - 1))}
            start(host, program=PROGRAM, environment=environment)
            until(lambda running=lan.hosts[:nodes]: whole(running), 30)
            for decide in ("all", "exact"):
                vote_s(lan.hosts[0], nodes, decide)  # opens the connections
                met &= measure(lan.hosts[0], nodes, decide, chosen.rounds)
    return not met


if __name__ == "__main__":
    sys.exit(main())
