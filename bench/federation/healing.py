"""How soon nodes find each other, notice who is gone, and are one again after a partition.

Whole nodes with the bundled model, each on a host of its own. Found: from when a new node opens
its multicast socket until all have each other as ready peers; what its start took before that
is printed beside it. Gone: until all others no longer count a node that was killed (its kernel
refuses connections), stopped (its kernel still takes them) or cut off (nothing answers).
Merged: until all four are ready for each other after two halves did not hear each other.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.federation.house import house, ready, start, until, whole
from bench.figures import must_have, parser, spread, verdict
from tests.e2e.hosts import Host

NODES = 5
MDNS_PORT = 5353
PARTED_S = 15.0
FOUND_BAR_S, GONE_BAR_S, MERGED_BAR_S = 2.0, 6.0, 10.0


def main() -> int:
    chosen = parser(__doc__, rounds=3).parse_args()
    must_have(shutil.which("nft") is not None, "Linux, root and nftables")
    with house(NODES) as lan:
        hosts = lan.hosts
        start(hosts[0])
        found = [found_s(hosts[:at], hosts[at]) for at in range(1, NODES)]
        gone = [gone_s(hosts, host, how) for host in hosts[-2:] for how in ("frozen", "cut off")]
        gone.append(gone_s(hosts, hosts[-1], "killed"))
        merged = [merged_s(hosts[:-1], after_s) for after_s in [PARTED_S] * chosen.rounds]
    print(f"found {spread(found)}, gone {spread(gone)}, merged {spread(merged)} s")
    met = verdict("found after its multicast socket opened, median, s", mid(found), FOUND_BAR_S)
    met &= verdict("noticed that a peer is gone, longest, s", max(gone), GONE_BAR_S)
    met &= verdict("merged after a partition healed, longest, s", max(merged), MERGED_BAR_S)
    return not met


def mid(values: Sequence[float]) -> float:
    return statistics.median(values)


def found_s(running: Sequence[Host], newcomer: Host) -> float:
    """Start one more node; from its socket until it and all others are ready for each other."""
    began = time.monotonic()
    start(newcomer, wait=False)
    until(lambda: announces(newcomer), 60)
    opened = time.monotonic()
    until(lambda: whole([*running, newcomer]), 60)
    now = time.monotonic()
    newcomer.node.wait_ready()
    print(f"{newcomer.name}: started in {opened - began:.2f} s, found after {now - opened:.2f} s")
    return now - opened


def announces(host: Host) -> bool:
    """Whether a multicast socket is open on this host."""
    table = Path(f"/proc/{host.node.process.pid}/net/udp").read_text(encoding="ascii")
    return f":{MDNS_PORT:04X} " in table


def gone_s(hosts: Sequence[Host], host: Host, how: str) -> float:
    """Take a node away; until no other counts it. It is back at the end, but for a killed one."""
    others = [other for other in hosts if other is not host]
    match how:
        case "frozen":
            host.node.freeze()
        case "cut off":
            host.cut()
        case _:
            host.node.kill()
    seconds = until(lambda: not any(host.name in ready(other) for other in others), 60)
    back_s = 0.0
    if how != "killed":
        (host.node.thaw if how == "frozen" else host.heal)()
        back_s = until(lambda: whole(hosts), 60)
    print(
        f"{host.name} {how}: noticed after {seconds:.2f} s, back after {back_s:.2f} s", flush=True
    )
    return seconds


def merged_s(hosts: Sequence[Host], parted_s: float) -> float:
    """Two halves that do not hear each other for that long, then do; until all are one."""
    lan = hosts[0].lan
    half = len(hosts) // 2
    lan.split(hosts[:half])
    until(lambda: all(len(ready(host)) < half for host in hosts), 60)
    time.sleep(parted_s)
    lan.heal()
    seconds = until(lambda: whole(hosts), 60)
    print(f"halves of {half}: one again after {seconds:.2f} s", flush=True)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
