"""What a federation of five nodes costs while nobody asks: processor and traffic of each.

Whole nodes with the bundled model, each on a host of its own. The bytes are those of the host's
LAN interface, all that it sent and received: heartbeats, mDNS, and the frames around them.
"""

import sys
import time

from bench.federation.house import cpu_s, house, start_all, whole
from bench.figures import parser, verdict

NODES = 5
SETTLE_S = 20.0
CPU_BAR, TRAFFIC_BAR = 0.01, 2000


def main() -> int:
    options = parser(__doc__, rounds=1)
    options.add_argument("--seconds", type=float, default=60.0, help="how long to look")
    chosen = options.parse_args()
    flags = ("--model", str(chosen.model)) if chosen.model else ()
    with house(NODES) as lan:
        start_all(lan.hosts, *flags)
        time.sleep(SETTLE_S)
        began = time.monotonic()
        cpu = [cpu_s(host) for host in lan.hosts]
        traffic = [host.traffic_bytes() for host in lan.hosts]
        time.sleep(chosen.seconds)
        seconds = time.monotonic() - began
        cpu = [(cpu_s(h) - before) / seconds for h, before in zip(lan.hosts, cpu, strict=True)]
        moved = [
            [(now - then) / seconds for now, then in zip(h.traffic_bytes(), before, strict=True)]
            for h, before in zip(lan.hosts, traffic, strict=True)
        ]
        if not whole(lan.hosts):
            raise RuntimeError("the federation did not hold")
    for host, share, (received, sent) in zip(lan.hosts, cpu, moved, strict=True):
        print(f"{host.name}: {share:.2%} of a core, {received:.0f} + {sent:.0f} bytes/s in + out")
    met = verdict("processor of the busiest node, share of a core", max(cpu), CPU_BAR)
    met &= verdict("bytes/s of the busiest node, in and out", max(map(sum, moved)), TRAFFIC_BAR)
    return not met


if __name__ == "__main__":
    sys.exit(main())
